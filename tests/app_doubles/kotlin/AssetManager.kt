package android.content.res

import java.io.File
import java.io.InputStream

class AssetManager(val folder: File) {
    fun list(path: String): Array<String>? = File(folder, path).list() ?: emptyArray()

    fun open(fileName: String): InputStream = File(folder, fileName).inputStream()
}
