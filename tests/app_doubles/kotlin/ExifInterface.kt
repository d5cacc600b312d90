package android.media

import java.io.InputStream

/** Reads the orientation from the comment "#orientation N" of a PPM file. */
class ExifInterface(stream: InputStream) {
    private val orientation = String(stream.readBytes(), Charsets.ISO_8859_1).substringAfter("#orientation ", "0")[0]

    fun getAttributeInt(tag: String, defaultValue: Int): Int {
        require(tag == TAG_ORIENTATION && defaultValue == ORIENTATION_UNDEFINED)
        return orientation.digitToInt()
    }

    companion object {
        const val TAG_ORIENTATION = "Orientation"
        const val ORIENTATION_UNDEFINED = 0
    }
}
