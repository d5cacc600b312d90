package edgemnv3

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException

/**
 * A compiled model, and what it runs on.
 *
 * Where the GPU is wanted and cannot run the whole model, [onFallback] is told why, and the CPU runs it.
 */
internal class LiteRtCompiled(
    assets: AssetManager,
    file: String,
    wanted: Accelerator,
    onFallback: (Exception) -> Unit,
) {
    val accelerator: Accelerator
    val model: CompiledModel

    init {
        require(wanted == Accelerator.CPU || wanted == Accelerator.GPU) { "$wanted: expected CPU or GPU" }
        val onGpu = if (wanted == Accelerator.GPU) {
            try {
                CompiledModel.create(assets, file, CompiledModel.Options(Accelerator.GPU))
            } catch (error: LiteRtException) {
                onFallback(error)
                null
            }
        } else {
            null
        }
        accelerator = if (onGpu == null) Accelerator.CPU else Accelerator.GPU
        model = onGpu ?: CompiledModel.create(assets, file, CompiledModel.Options(Accelerator.CPU))
    }
}
