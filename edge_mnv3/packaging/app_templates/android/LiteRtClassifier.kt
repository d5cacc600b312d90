package edgemnv3

import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

/**
 * Classifier "%%{name}" with LiteRT's CompiledModel, on the CPU.
 *
 * Needs %%{model_file} and %%{labels_file} in src/main/assets. Not thread-safe: use it from one background thread.
 */
class LiteRtClassifier(context: Context) : AutoCloseable {
    private val labels = context.assets.open(LABELS_FILE).bufferedReader().useLines { it.toList() }
    private val model =
        CompiledModel.create(context.assets, MODEL_FILE, CompiledModel.Options(Accelerator.CPU))
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    init {
        require(labels.size == CLASS_COUNT) { "$LABELS_FILE has ${labels.size} lines, not $CLASS_COUNT" }
    }

    /** %%{kotlin_classify_doc} */
    fun classify(bitmap: Bitmap%%{kotlin_count}): List<Classification> {
        val pixels = Preprocessing.pixels(bitmap)
        %%{kotlin_write_input}
        model.run(inputs, outputs)
        %%{kotlin_read_scores}
        return scores.indices
%%{kotlin_choose}
            .map { Classification(labels[it], scores[it]) }
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }

    private companion object {
        const val MODEL_FILE = "%%{model_file}"
        const val LABELS_FILE = "%%{labels_file}"
        const val CLASS_COUNT = %%{class_count}
%%{kotlin_constants}    }
}
