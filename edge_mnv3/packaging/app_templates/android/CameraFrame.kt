package edgemnv3

import android.graphics.ImageFormat
import android.graphics.PixelFormat
import android.graphics.Rect
import androidx.camera.core.ImageProxy

/**
 * A frame of CameraX's ImageAnalysis, cropped by its cropRect and turned upright by its rotationDegrees.
 *
 * Takes OUTPUT_IMAGE_FORMAT_YUV_420_888 (full range, as Android's cameras give it) and
 * OUTPUT_IMAGE_FORMAT_RGBA_8888, with any row and pixel stride. The image stays open: close it afterwards.
 */
fun ImageProxy.toFrame(): Frame {
    val box = cropRect
    require(box.left >= 0 && box.top >= 0 && box.right <= width && box.bottom <= height) {
        "a crop of ${box.left},${box.top} to ${box.right},${box.bottom} in a camera image of $width x $height"
    }
    val argb = when (format) {
        ImageFormat.YUV_420_888 -> coloursOfYuv(planes, box)
        PixelFormat.RGBA_8888 -> coloursOfRgba(planes[0], box)
        else -> throw IllegalArgumentException("camera image of format $format: expected YUV_420_888 or RGBA_8888")
    }
    return Frame(argb, box.width(), box.height()).rotated(imageInfo.rotationDegrees)
}

private fun coloursOfRgba(plane: ImageProxy.PlaneProxy, box: Rect): IntArray {
    // Read by place: the position of the camera's buffer stays as it is.
    val bytes = plane.buffer
    val (rowStride, pixelStride) = Pair(plane.rowStride, plane.pixelStride)
    val argb = IntArray(box.width() * box.height())
    var at = 0
    for (y in box.top until box.bottom) {
        for (x in box.left until box.right) {
            val first = y * rowStride + x * pixelStride
            val red = bytes.get(first).toInt() and 0xFF
            val green = bytes.get(first + 1).toInt() and 0xFF
            val blue = bytes.get(first + 2).toInt() and 0xFF
            argb[at++] = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
        }
    }
    return argb
}

private fun coloursOfYuv(planes: Array<ImageProxy.PlaneProxy>, box: Rect): IntArray {
    val (luma, blueness, redness) = planes.map { Channel(it) }
    val argb = IntArray(box.width() * box.height())
    var at = 0
    for (y in box.top until box.bottom) {
        for (x in box.left until box.right) {
            // 16 bits after the point, and a half to round.
            val light = (luma.at(x, y) shl 16) + 0x8000
            val cb = blueness.at(x / 2, y / 2) - 128
            val cr = redness.at(x / 2, y / 2) - 128
            val red = clipped((light + 91881 * cr) shr 16)
            val green = clipped((light - 22554 * cb - 46802 * cr) shr 16)
            val blue = clipped((light + 116130 * cb) shr 16)
            argb[at++] = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
        }
    }
    return argb
}

/** A plane, asked once for its buffer: the camera makes another view of it each time. */
private class Channel(plane: ImageProxy.PlaneProxy) {
    private val bytes = plane.buffer
    private val rowStride = plane.rowStride
    private val pixelStride = plane.pixelStride

    fun at(x: Int, y: Int): Int = bytes.get(y * rowStride + x * pixelStride).toInt() and 0xFF
}

private fun clipped(value: Int): Int = minOf(maxOf(value, 0), 255)
