package android.net

import java.io.File

class Uri(val file: File) {
    override fun toString(): String = file.name
}
