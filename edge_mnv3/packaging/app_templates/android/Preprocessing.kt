package edgemnv3

import android.graphics.Bitmap
import kotlin.math.*

/**
 * What is done to an image before the model sees it: %%{preprocess_description}.
 *
 * The same arithmetic as in the measurement of the model's accuracy: bilinear, and where it shrinks, an average
 * over the area that a pixel covers. Bitmap.createScaledBitmap does not average, and costs accuracy.
 */
object Preprocessing {
    /** Columns, rows and channels of the model's input. */
    const val WIDTH = %%{width}
    const val HEIGHT = %%{height}
    const val CHANNELS = %%{channels}

    private const val WEIGHT_BITS = 22
    private const val HALF = 1 shl (WEIGHT_BITS - 1)

    /** The source pixels that one target pixel is made of: from [start] on, one weight each. */
    private class Taps(val start: Int, val weights: IntArray)

    /**
     * Turns an upright bitmap into HEIGHT × WIDTH × CHANNELS bytes, %%{colours}, 0..255.
     *
     * Hardware bitmaps are copied, see Frame. BitmapFactory leaves photographs as the sensor saw them: turn those
     * with Frame.of(bitmap).upright(exifOrientation); ImageDecoder does so by itself.
     */
    fun pixels(bitmap: Bitmap): ByteArray = pixels(Frame.of(bitmap))

    /** As above, from an upright frame. */
    fun pixels(frame: Frame): ByteArray = pixels(frame.argb, frame.width, frame.height)

    /** Refuses bytes that are not HEIGHT × WIDTH × CHANNELS. */
    fun check(pixels: ByteArray) =
        require(pixels.size == HEIGHT * WIDTH * CHANNELS) { "${pixels.size} bytes, expected ${HEIGHT * WIDTH * CHANNELS}" }

    /** As above, from colours 0xAARRGGBB, row by row. */
    fun pixels(argb: IntArray, width: Int, height: Int): ByteArray {
        require(width > 0 && height > 0 && argb.size == width * height) { "not a width × height image" }
        val (left, upper, right, lower) = box(width.toDouble(), height.toDouble())
        val columns = taps(width, left, right, WIDTH)
        val rows = taps(height, upper, lower, HEIGHT)
        val source = %%{kotlin_channels}
        // The order matters in the last bit: each pass rounds.
        return if (height > HEIGHT && height - HEIGHT > (width - WIDTH) * 2) {
            resizeRows(resizeColumns(source, width, rows), width, HEIGHT, columns)
        } else {
            resizeColumns(resizeRows(source, width, height, columns), WIDTH, rows)
        }
    }

    /** The part of the image that is used: left, upper, right, lower in source pixels. */
    private fun box(width: Double, height: Double): FloatArray {
        val left = %%{box_left}
        val upper = %%{box_upper}
        val right = %%{box_right}
        val lower = %%{box_lower}
        return floatArrayOf(left.toFloat(), upper.toFloat(), right.toFloat(), lower.toFloat())
    }

    /** height × width × CHANNELS bytes to height × WIDTH × CHANNELS. */
    private fun resizeRows(source: ByteArray, width: Int, height: Int, columns: Array<Taps>): ByteArray {
        val result = ByteArray(height * WIDTH * CHANNELS)
        var at = 0
        for (y in 0 until height) {
            for (column in columns) {
                val first = (y * width + column.start) * CHANNELS
                for (channel in 0 until CHANNELS) {
                    var sum = HALF
                    for (i in column.weights.indices) {
                        sum += (source[first + i * CHANNELS + channel].toInt() and 0xFF) * column.weights[i]
                    }
                    result[at++] = clip(sum)
                }
            }
        }
        return result
    }

    /** height × width × CHANNELS bytes to HEIGHT × width × CHANNELS. */
    private fun resizeColumns(source: ByteArray, width: Int, rows: Array<Taps>): ByteArray {
        val rowLength = width * CHANNELS
        val result = ByteArray(HEIGHT * rowLength)
        var at = 0
        for (row in rows) {
            for (x in 0 until rowLength) {
                var sum = HALF
                for (i in row.weights.indices) {
                    sum += (source[(row.start + i) * rowLength + x].toInt() and 0xFF) * row.weights[i]
                }
                result[at++] = clip(sum)
            }
        }
        return result
    }

    private fun taps(length: Int, from: Float, to: Float, size: Int): Array<Taps> {
        val scale = (to - from).toDouble() / size
        val support = max(scale, 1.0)
        return Array(size) { target ->
            val center = from + (target + 0.5) * scale
            val start = max((center - support + 0.5).toInt(), 0)
            val end = min((center + support + 0.5).toInt(), length)
            val shares = DoubleArray(end - start) { i ->
                val distance = (i + start - center + 0.5) * (1.0 / support)
                max(1.0 - abs(distance), 0.0)
            }
            val sum = shares.sum()
            Taps(start, IntArray(shares.size) { (0.5 + shares[it] / sum * (1 shl WEIGHT_BITS)).toInt() })
        }
    }

    private fun clip(sum: Int): Byte = min(max(sum shr WEIGHT_BITS, 0), 255).toByte()
}
