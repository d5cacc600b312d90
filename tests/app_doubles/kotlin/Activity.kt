package androidx.activity

import android.content.Context
import android.content.res.AssetManager
import android.os.Bundle
import android.widget.LinearLayout
import android.widget.View
import androidx.activity.result.ActivityResultLauncher
import androidx.activity.result.contract.ActivityResultContracts

/** Its assets are [given], and a picker answers with what [picked] is. */
open class ComponentActivity : Context(given) {
    lateinit var content: LinearLayout

    protected open fun onCreate(savedInstanceState: Bundle?) = Unit

    protected open fun onDestroy() = Unit

    fun setContentView(view: View) {
        content = view as LinearLayout
    }

    fun runOnUiThread(action: Runnable) = action.run()

    fun registerForActivityResult(
        contract: ActivityResultContracts.PickVisualMedia,
        callback: (android.net.Uri?) -> Unit,
    ): ActivityResultLauncher = ActivityResultLauncher(contract) { callback(picked) }

    fun live(during: (ComponentActivity) -> Unit) {
        onCreate(null)
        during(this)
        onDestroy()
    }

    companion object {
        lateinit var given: AssetManager
        var picked: android.net.Uri? = null
    }
}
