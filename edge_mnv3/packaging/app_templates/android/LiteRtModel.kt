package edgemnv3

import android.content.Context
import android.graphics.Bitmap
import android.util.Log
import com.google.ai.edge.litert.Accelerator

/**
 * Model "%%{name}" with LiteRT's CompiledModel, on the CPU or the GPU: its outputs by their names.
 *
 * Needs %%{model_file} in src/main/assets. Making it takes time: not on the main thread. Any threads may share it: one is
 * served after the other. After close() it refuses to answer.
 */
class LiteRtModel(
    context: Context,
    accelerator: Accelerator = Accelerator.CPU,
    onFallback: (Exception) -> Unit = { Log.w("edgemnv3", "no GPU for $MODEL_FILE, it runs on the CPU: $it") },
) : AutoCloseable {
    private val compiled = LiteRtCompiled(context.assets, MODEL_FILE, accelerator, onFallback)

    /** What it runs on now: the CPU where the GPU was wanted and could not run the model, or failed since. */
    val accelerator: Accelerator
        get() = compiled.accelerator

    /**
     * The outputs for an upright bitmap by their names, each row by row with channels last.
     *
     * They are %%{outputs_in_words}.
     */
    fun run(bitmap: Bitmap): Map<String, FloatArray> = runPixels(Preprocessing.pixels(bitmap))

    /** As above, for an upright frame: of a camera, see CameraFrame.kt, or of any pixels. */
    fun run(frame: Frame): Map<String, FloatArray> = runPixels(Preprocessing.pixels(frame))

    /** As above, for HEIGHT × WIDTH × CHANNELS bytes, as Preprocessing gives them. */
    fun runPixels(pixels: ByteArray): Map<String, FloatArray> = OUTPUTS.zip(compiled.run(pixels)).toMap()

    /** Waits for an answer that is being made; may be called twice. */
    override fun close() = compiled.close()

    private companion object {
        const val MODEL_FILE = "%%{model_file}"
        val OUTPUTS = listOf(%%{kotlin_output_names})
    }
}
