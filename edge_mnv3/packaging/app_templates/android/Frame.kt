package edgemnv3

import android.graphics.Bitmap

/** An image in memory: colours 0xAARRGGBB, row by row. Transparency is ignored, as it was when accuracy was measured. */
class Frame(val argb: IntArray, val width: Int, val height: Int) {
    init {
        require(width > 0 && height > 0 && argb.size == width * height) {
            "${argb.size} pixels for an image of $width x $height"
        }
    }

    /** Turned clockwise by a multiple of 90 degrees. */
    fun rotated(degrees: Int): Frame {
        require(degrees % 90 == 0) { "rotation by $degrees degrees: expected a multiple of 90" }
        return when (Math.floorMod(degrees, 360)) {
            90 -> moved(height, width) { x, y -> (height - 1 - x) * width + y }
            180 -> moved(width, height) { x, y -> (height - 1 - y) * width + width - 1 - x }
            270 -> moved(height, width) { x, y -> x * width + width - 1 - y }
            else -> this
        }
    }

    /** Left and right exchanged. */
    fun mirrored(): Frame = moved(width, height) { x, y -> y * width + width - 1 - x }

    /** Upright, by the EXIF orientation that the file has: 1 to 8, or 0 where it has none. */
    fun upright(exifOrientation: Int): Frame = when (exifOrientation) {
        0, 1 -> this
        2 -> mirrored()
        3 -> rotated(180)
        4 -> mirrored().rotated(180)
        5 -> mirrored().rotated(270)
        6 -> rotated(90)
        7 -> mirrored().rotated(90)
        8 -> rotated(270)
        else -> throw IllegalArgumentException("EXIF orientation $exifOrientation: expected 0 to 8")
    }

    private inline fun moved(newWidth: Int, newHeight: Int, from: (Int, Int) -> Int): Frame {
        val result = IntArray(argb.size)
        for (y in 0 until newHeight) {
            for (x in 0 until newWidth) result[y * newWidth + x] = argb[from(x, y)]
        }
        return Frame(result, newWidth, newHeight)
    }

    companion object {
        /**
         * Reads a bitmap of any configuration that has colours.
         *
         * ImageDecoder gives hardware bitmaps, whose pixels cannot be read: those, and all that are not
         * ARGB_8888, are copied first. ALPHA_8 has no colours and is refused. So are bitmaps that hold colours
         * multiplied by their opacity, with pixels below half of it: those colours are lost.
         */
        fun of(bitmap: Bitmap): Frame {
            require(bitmap.config != Bitmap.Config.ALPHA_8) { "a bitmap of ALPHA_8 has no colours" }
            val direct = bitmap.config == Bitmap.Config.ARGB_8888
            val readable = if (direct) bitmap else bitmap.copy(Bitmap.Config.ARGB_8888, false)
            checkNotNull(readable) { "a bitmap of ${bitmap.config} cannot be copied to ARGB_8888" }
            val (width, height) = Pair(readable.width, readable.height)
            val argb = IntArray(width * height)
            readable.getPixels(argb, 0, width, 0, 0, width, height)
            val multiplied = readable.hasAlpha() && readable.isPremultiplied
            if (!direct) readable.recycle()
            require(!multiplied || argb.all { it ushr 24 >= 128 }) {
                "transparent pixels have lost their colours: decode with inPremultiplied = false, or draw it on a background"
            }
            return Frame(argb, width, height)
        }
    }
}
