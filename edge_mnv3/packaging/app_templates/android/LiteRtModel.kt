package edgemnv3

import android.content.Context
import android.graphics.Bitmap
import android.util.Log
import com.google.ai.edge.litert.Accelerator

/**
 * Model "%%{name}" with LiteRT's CompiledModel, on the CPU or the GPU: its outputs by their names.
 *
 * Needs %%{model_file} in src/main/assets. Any threads may share it: one is served after the other. After
 * close() it refuses to answer.
 */
class LiteRtModel(
    context: Context,
    accelerator: Accelerator = Accelerator.CPU,
    onFallback: (Exception) -> Unit = { Log.w("edgemnv3", "no GPU for $MODEL_FILE, it runs on the CPU: $it") },
) : AutoCloseable {
    private val compiled = LiteRtCompiled(context.assets, MODEL_FILE, accelerator, onFallback)
    private val model = compiled.model
    private val inputs = model.createInputBuffers()
    private val outputs = OUTPUTS.associateWith { model.createOutputBuffer(it) }
    private val lock = Any()
    private var closed = false

    /** What it runs on: the CPU where the GPU was wanted and could not run the model. */
    val accelerator: Accelerator = compiled.accelerator

    /**
     * The outputs for an upright bitmap by their names, each row by row with channels last.
     *
     * They are %%{outputs_in_words}.
     */
    fun run(bitmap: Bitmap): Map<String, FloatArray> = runPixels(Preprocessing.pixels(bitmap))

    /** As above, for an upright frame: of a camera, see CameraFrame.kt, or of any pixels. */
    fun run(frame: Frame): Map<String, FloatArray> = runPixels(Preprocessing.pixels(frame))

    /** As above, for HEIGHT × WIDTH × CHANNELS bytes, as Preprocessing gives them. */
    fun runPixels(pixels: ByteArray): Map<String, FloatArray> {
        Preprocessing.check(pixels)
        synchronized(lock) {
            check(!closed) { "this model is closed" }
            %%{kotlin_write_input}
            model.run(mapOf(INPUT to inputs[0]), outputs)
            return mapOf(
%%{kotlin_read_outputs}            )
        }
    }

    /** Waits for an answer that is being made; may be called twice. */
    override fun close() = synchronized(lock) {
        if (!closed) {
            closed = true
            (inputs + outputs.values).forEach { it.close() }
            model.close()
        }
    }

    private companion object {
        const val MODEL_FILE = "%%{model_file}"
        const val INPUT = "%%{input_name}"
        val OUTPUTS = listOf(%%{kotlin_output_names})
    }
}
