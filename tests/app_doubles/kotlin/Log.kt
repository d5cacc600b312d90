package android.util

object Log {
    @JvmStatic
    fun w(tag: String, message: String): Int {
        println("log $tag $message")
        return 0
    }
}
