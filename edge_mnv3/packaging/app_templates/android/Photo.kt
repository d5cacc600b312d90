package edgemnv3

import android.annotation.TargetApi
import android.content.ContentResolver
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.graphics.ImageDecoder
import android.media.ExifInterface
import android.net.Uri
import android.os.Build
import java.io.IOException

/** Photographs by their address, upright, as a picker or the camera's app gives them. */
object Photo {
    /**
     * Reads a photograph, turned as its EXIF orientation says. Not on the main thread. Throws IOException.
     *
     * Of photographs with more than [maxPixels] the decoder gives every second, third … pixel in each direction, so that
     * memory holds them; answers for those may differ a little from those of the whole photograph. Colours become sRGB
     * from Android 8 (API level 26) on; before, other colour spaces are taken for sRGB.
     */
    fun read(resolver: ContentResolver, uri: Uri, maxPixels: Int = 16_000_000): Frame {
        require(maxPixels > 0) { "at most $maxPixels pixels: expected 1 or more" }
        return if (Build.VERSION.SDK_INT >= 28) decoded(resolver, uri, maxPixels) else read24(resolver, uri, maxPixels)
    }

    /** ImageDecoder turns photographs by itself. */
    @TargetApi(28)
    private fun decoded(resolver: ContentResolver, uri: Uri, maxPixels: Int): Frame {
        val source = ImageDecoder.createSource(resolver, uri)
        val bitmap = ImageDecoder.decodeBitmap(source) { decoder, info, _ ->
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            decoder.setTargetColorSpace(ColorSpace.get(ColorSpace.Named.SRGB))
            decoder.isUnpremultipliedRequired = true
            decoder.setTargetSampleSize(sampleSize(info.size.width, info.size.height, maxPixels))
        }
        return framed(bitmap)
    }

    private fun read24(resolver: ContentResolver, uri: Uri, maxPixels: Int): Frame {
        val orientation = opened(resolver, uri).use {
            ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_UNDEFINED)
        }
        val options = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        opened(resolver, uri).use { BitmapFactory.decodeStream(it, null, options) }
        if (options.outWidth < 1 || options.outHeight < 1) throw IOException("$uri is no image that Android reads")
        // BitmapFactory knows powers of two only, and takes the next lower one.
        val wanted = sampleSize(options.outWidth, options.outHeight, maxPixels)
        options.inSampleSize = generateSequence(1) { it * 2 }.first { it >= wanted }
        options.inJustDecodeBounds = false
        options.inPremultiplied = false
        val bitmap = opened(resolver, uri).use { BitmapFactory.decodeStream(it, null, options) }
            ?: throw IOException("$uri cannot be decoded")
        return framed(bitmap).upright(if (orientation in 1..8) orientation else 0)
    }

    private fun opened(resolver: ContentResolver, uri: Uri) =
        resolver.openInputStream(uri) ?: throw IOException("$uri cannot be opened")

    private fun framed(bitmap: Bitmap): Frame = Frame.of(bitmap).also { bitmap.recycle() }

    /** The least whole number by which both sides are divided, so that no more than [maxPixels] are left. */
    private fun sampleSize(width: Int, height: Int, maxPixels: Int): Int =
        generateSequence(1) { it + 1 }.first { (width / it).toLong() * (height / it) <= maxPixels }
}
