package edgemnv3

import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

/**
 * Model "%%{name}" with LiteRT's CompiledModel, on the CPU: its outputs by their names.
 *
 * Needs %%{model_file} in src/main/assets. Not thread-safe: use it from one background thread.
 */
class LiteRtModel(context: Context) : AutoCloseable {
    private val model =
        CompiledModel.create(context.assets, MODEL_FILE, CompiledModel.Options(Accelerator.CPU))
    private val inputs = model.createInputBuffers()
    private val outputs = OUTPUTS.associateWith { model.createOutputBuffer(it) }

    /**
     * The outputs for an upright bitmap by their names, each row by row with channels last.
     *
     * They are %%{outputs_in_words}.
     */
    fun run(bitmap: Bitmap): Map<String, FloatArray> {
        val pixels = Preprocessing.pixels(bitmap)
        %%{kotlin_write_input}
        model.run(mapOf(INPUT to inputs[0]), outputs)
        return mapOf(
%%{kotlin_read_outputs}        )
    }

    override fun close() {
        (inputs + outputs.values).forEach { it.close() }
        model.close()
    }

    private companion object {
        const val MODEL_FILE = "%%{model_file}"
        const val INPUT = "%%{input_name}"
        val OUTPUTS = listOf(%%{kotlin_output_names})
    }
}
