package android.content.res

import java.io.File
import java.io.InputStream

class AssetManager(val folder: File) {
    fun open(fileName: String): InputStream = File(folder, fileName).inputStream()
}
