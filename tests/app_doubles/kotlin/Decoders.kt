package android.graphics

import android.content.ContentResolver
import android.net.Uri
import android.util.Size
import java.io.File
import java.io.IOException
import java.io.InputStream

class ColorSpace private constructor() {
    enum class Named { SRGB, DISPLAY_P3 }

    companion object {
        @JvmStatic
        fun get(name: Named): ColorSpace {
            require(name == Named.SRGB)
            return ColorSpace()
        }
    }
}

/** The binary PPM file of a stream; every [step]th pixel of each direction. */
private fun ppm(bytes: ByteArray, step: Int): Bitmap {
    val header = Regex("P6\\s(?:#[^\\n]*\\n)?(\\d+) (\\d+)\\s255\\s").find(String(bytes, Charsets.ISO_8859_1))
        ?: throw IOException("no image")
    val (width, height) = header.destructured.let { (width, height) -> Pair(width.toInt(), height.toInt()) }
    val start = header.range.last + 1
    val (newWidth, newHeight) = Pair(width / step, height / step)
    val argb = IntArray(newWidth * newHeight) {
        val first = start + (it / newWidth * step * width + it % newWidth * step) * 3
        val (red, green, blue) = List(3) { channel -> bytes[first + channel].toInt() and 0xFF }
        (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
    }
    return Bitmap.createBitmap(argb, newWidth, newHeight, Bitmap.Config.ARGB_8888)
}

/** Gives NAME.upright.ppm for NAME.ppm, since Android's turns photographs. */
class ImageDecoder private constructor() {
    class Source internal constructor(internal val file: File)

    class ImageInfo(val size: Size)

    fun interface OnHeaderDecodedListener {
        fun onHeaderDecoded(decoder: ImageDecoder, info: ImageInfo, source: Source)
    }

    var allocator = 0
    var isUnpremultipliedRequired = false
    private var step = 1
    private var inSrgb = false

    fun setTargetColorSpace(colorSpace: ColorSpace?) {
        inSrgb = colorSpace != null
    }

    fun setTargetSampleSize(sampleSize: Int) {
        step = sampleSize
    }

    companion object {
        const val ALLOCATOR_SOFTWARE = 1

        @JvmStatic fun createSource(resolver: ContentResolver, uri: Uri): Source {
            resolver.openInputStream(uri)?.close() ?: throw IOException("nothing at $uri")
            return Source(uri.file)
        }

        @JvmStatic
        fun decodeBitmap(source: Source, listener: OnHeaderDecodedListener): Bitmap {
            val bytes = File("${source.file.path.removeSuffix(".ppm")}.upright.ppm").readBytes()
            val whole = ppm(bytes, 1)
            val decoder = ImageDecoder()
            listener.onHeaderDecoded(decoder, ImageInfo(Size(whole.width, whole.height)), source)
            check(decoder.allocator == ALLOCATOR_SOFTWARE && decoder.isUnpremultipliedRequired && decoder.inSrgb)
            return ppm(bytes, decoder.step)
        }
    }
}

class BitmapFactory {
    class Options {
        var inJustDecodeBounds = false
        var inPremultiplied = true
        var inSampleSize = 0
        var outWidth = -1
        var outHeight = -1
    }

    companion object {
        /** Photographs stay as the sensor saw them; null where the stream is no image, or is damaged behind its header. */
        @JvmStatic
        fun decodeStream(stream: InputStream?, outPadding: Rect?, options: Options?): Bitmap? {
            require(stream != null && outPadding == null && options != null)
            val bytes = stream.readBytes()
            val bitmap = try {
                ppm(bytes, maxOf(options.inSampleSize, 1))
            } catch (_: IOException) {
                return null
            }
            options.outWidth = bitmap.width
            options.outHeight = bitmap.height
            if (options.inJustDecodeBounds) return null
            check(!options.inPremultiplied && options.inSampleSize.countOneBits() == 1)
            return if ("damaged" in String(bytes, Charsets.ISO_8859_1)) null else bitmap
        }
    }
}
