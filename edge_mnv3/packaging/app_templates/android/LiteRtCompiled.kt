package edgemnv3

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer

/**
 * A compiled model, and what it runs on.
 *
 * Where the GPU is wanted, it runs the model on a black image first. If it cannot, [onFallback] is told why, and the
 * CPU runs the model.
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
                triedOnGpu(assets, file)
            } catch (error: Exception) {
                onFallback(error)
                null
            }
        } else {
            null
        }
        accelerator = if (onGpu == null) Accelerator.CPU else Accelerator.GPU
        model = onGpu ?: CompiledModel.create(assets, file, CompiledModel.Options(Accelerator.CPU))
    }

    private fun triedOnGpu(assets: AssetManager, file: String): CompiledModel {
        val model = CompiledModel.create(assets, file, CompiledModel.Options(Accelerator.GPU))
        val buffers = mutableListOf<TensorBuffer>()
        var runs = false
        try {
            val inputs = model.createInputBuffers().also { buffers += it }
            val outputs = model.createOutputBuffers().also { buffers += it }
            val pixels = ByteArray(Preprocessing.HEIGHT * Preprocessing.WIDTH * Preprocessing.CHANNELS)
            %%{kotlin_write_input}
            model.run(inputs, outputs)
            runs = true
        } finally {
            buffers.forEach { it.close() }
            if (!runs) model.close()
        }
        return model
    }
}
