package edgemnv3

import android.content.Context
import android.graphics.Bitmap
import android.util.Log
import com.google.ai.edge.litert.Accelerator

/**
 * Classifier "%%{name}" with LiteRT's CompiledModel, on the CPU or the GPU.
 *
 * Needs %%{model_file} and %%{labels_file} in src/main/assets. Making it takes time: not on the main thread. Any threads
 * may share it: one is served after the other. After close() it refuses to answer. The accuracy was measured on the CPU;
 * a GPU rounds otherwise.
 */
class LiteRtClassifier(
    context: Context,
    accelerator: Accelerator = Accelerator.CPU,
    onFallback: (Exception) -> Unit = { Log.w("edgemnv3", "no GPU for $MODEL_FILE, it runs on the CPU: $it") },
) : AutoCloseable {
    private val labels = context.assets.open(LABELS_FILE).bufferedReader().useLines { it.toList() }

    init {
        require(labels.size == CLASS_COUNT) { "$LABELS_FILE has ${labels.size} lines, not $CLASS_COUNT" }
    }

    private val compiled = LiteRtCompiled(context.assets, MODEL_FILE, accelerator, onFallback)

    /** What it runs on now: the CPU where the GPU was wanted and could not run the model, or failed since. */
    val accelerator: Accelerator
        get() = compiled.accelerator

    /** %%{kotlin_classify_doc} */
    fun classify(bitmap: Bitmap%%{kotlin_count}): List<Classification> =
        chosen(scores(Preprocessing.pixels(bitmap))%%{kotlin_count_given})

    /** As above, for an upright frame: of a camera, see CameraFrame.kt, or of any pixels. */
    fun classify(frame: Frame%%{kotlin_count}): List<Classification> =
        chosen(scores(Preprocessing.pixels(frame))%%{kotlin_count_given})

    /** The scores of all classes for HEIGHT × WIDTH × CHANNELS bytes, as Preprocessing gives them. */
    fun scores(pixels: ByteArray): FloatArray = compiled.run(pixels)[0]

    private fun chosen(scores: FloatArray%%{kotlin_count_taken}): List<Classification> =
        scores.indices
%%{kotlin_choose}
            .map { Classification(labels[it], scores[it]) }

    /** Waits for an answer that is being made; may be called twice. */
    override fun close() = compiled.close()

    private companion object {
        const val MODEL_FILE = "%%{model_file}"
        const val LABELS_FILE = "%%{labels_file}"
        const val CLASS_COUNT = %%{class_count}
%%{kotlin_thresholds}    }
}
