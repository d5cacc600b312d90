package edgemnv3.app

import android.net.Uri
import android.os.Bundle
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts
import com.google.ai.edge.litert.Accelerator
import edgemnv3.%%{activity_class}
import edgemnv3.Photo
import java.util.concurrent.Executors

/** Shows what the model answers for a picked photograph. It needs no permission. */
class MainActivity : ComponentActivity() {
    // Reading a photograph and running the model take too long for the main thread.
    private val worker = Executors.newSingleThreadExecutor()
    private var model: %%{activity_class}? = null // of the worker alone
    private var fallback: Exception? = null // why the GPU is not used; of the worker alone
    private lateinit var answer: TextView
    private val picker = registerForActivityResult(ActivityResultContracts.PickVisualMedia()) { photo ->
        if (photo != null) show(photo)
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        answer = TextView(this)
        val pick = Button(this)
        pick.text = "Pick a photograph"
        pick.setOnClickListener {
            picker.launch(PickVisualMediaRequest(ActivityResultContracts.PickVisualMedia.ImageOnly))
        }
        val column = LinearLayout(this)
        column.orientation = LinearLayout.VERTICAL
        column.fitsSystemWindows = true // not below the status bar
        column.addView(pick)
        column.addView(answer)
        setContentView(column)
    }

    private fun show(photo: Uri) {
        answer.text = "…"
        worker.execute {
            val text = try {
                answerOf(photo)
            } catch (error: Exception) {
                "no answer: $error"
            }
            runOnUiThread { answer.text = text }
        }
    }

    private fun answerOf(photo: Uri): String {
        val used = model ?: %%{activity_class}(this, Accelerator.GPU, { fallback = it }).also { model = it }
        val frame = Photo.read(contentResolver, photo)
        val answers = %%{activity_answers}
        return "$answers\n\non the ${used.accelerator}${fallback?.let { ": $it" } ?: ""}"
    }

    override fun onDestroy() {
        worker.execute { model?.close() }
        worker.shutdown()
        super.onDestroy()
    }
}
