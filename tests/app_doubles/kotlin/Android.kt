package android.graphics

class Bitmap private constructor(private val argb: IntArray, val width: Int, val height: Int) {
    enum class Config { ARGB_8888 }

    fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
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
        @JvmStatic
        fun createBitmap(colors: IntArray, width: Int, height: Int, config: Config): Bitmap {
            require(config == Config.ARGB_8888 && colors.size == width * height)
            return Bitmap(colors.copyOf(), width, height)
        }
    }
}
