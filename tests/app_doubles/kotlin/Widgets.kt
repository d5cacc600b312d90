package android.widget

import android.content.Context

open class View(@Suppress("unused") private val context: Context) {
    var fitsSystemWindows = false
    private var listener: ((View) -> Unit)? = null

    fun setOnClickListener(l: ((View) -> Unit)?) {
        listener = l
    }

    fun performClick() = checkNotNull(listener).invoke(this)
}

open class TextView(context: Context) : View(context) {
    /** Printed as it is set. */
    var text: CharSequence = ""
        set(value) {
            field = value
            println("text ${value.toString().replace("\n", " | ")}")
        }
}

class Button(context: Context) : TextView(context)

class LinearLayout(context: Context) : View(context) {
    var orientation = HORIZONTAL
    val children = mutableListOf<View>()

    fun addView(child: View) {
        children += child
    }

    companion object {
        const val HORIZONTAL = 0
        const val VERTICAL = 1
    }
}
