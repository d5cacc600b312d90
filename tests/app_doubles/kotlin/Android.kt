package android.graphics

class Bitmap private constructor(
    private val argb: IntArray,
    val width: Int,
    val height: Int,
    val config: Config?,
    var isPremultiplied: Boolean = true,
) {
    enum class Config { ALPHA_8, RGB_565, ARGB_8888, RGBA_F16, HARDWARE }

    private var recycled = false

    fun hasAlpha(): Boolean = config != Config.RGB_565 && argb.any { it ushr 24 != 0xFF }

    /** As Android's: a hardware bitmap's pixels are out of reach; of others only ARGB_8888 is read here. */
    fun copy(config: Config, isMutable: Boolean): Bitmap? {
        require(config == Config.ARGB_8888 && !isMutable)
        return Bitmap(argb.copyOf(), width, height, config, isPremultiplied).also { copies += it }
    }

    fun recycle() {
        recycled = true
    }

    fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
        check(config == Config.ARGB_8888) { "unable to getPixels() of $config" }
        for (row in 0 until height) {
            argb.copyInto(
                pixels,
                offset + row * stride,
                (y + row) * this.width + x,
                (y + row) * this.width + x + width,
            )
        }
    }

    companion object {
        private val copies = mutableListOf<Bitmap>()

        /** Whether all copies were given back. */
        fun copiesAreRecycled(): Boolean = copies.isNotEmpty() && copies.all { it.recycled }

        @JvmStatic
        fun createBitmap(colors: IntArray, width: Int, height: Int, config: Config): Bitmap {
            require(colors.size == width * height)
            return Bitmap(colors.copyOf(), width, height, config)
        }
    }
}

class Rect(val left: Int, val top: Int, val right: Int, val bottom: Int) {
    fun width(): Int = right - left

    fun height(): Int = bottom - top
}

object ImageFormat {
    const val YUV_420_888 = 35
}

object PixelFormat {
    const val RGBA_8888 = 1
}
