package edgemnv3

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import java.util.Random
import kotlin.math.abs

/**
 * A compiled model with its buffers, and what it runs on. One thread is served after the other.
 *
 * Where the GPU is wanted, it must first answer as the CPU does, see [gpuThatAnswersAsTheCpu]. Where it does not, and
 * where it fails at any time later, [onFallback] is told why, and the CPU runs the model from then on, that image
 * included. Where the CPU cannot run it either, an IllegalStateException names both reasons; the next image is tried on
 * the CPU again.
 */
internal class LiteRtCompiled(
    private val assets: AssetManager,
    private val file: String,
    wanted: Accelerator,
    private val onFallback: (Exception) -> Unit,
) : AutoCloseable {
    private val lock = Any()
    private var loaded: Loaded? = null
    private var closed = false

    /** Why the GPU does not run the model; null where it was not wanted, or runs it. */
    private var gpuFailure: Exception? = null

    /** What it runs on now: the CPU where the GPU was wanted and could not run the model. */
    @Volatile
    var accelerator: Accelerator = Accelerator.CPU
        private set

    init {
        require(wanted == Accelerator.CPU || wanted == Accelerator.GPU) { "$wanted: expected CPU or GPU" }
        if (wanted == Accelerator.GPU) {
            try {
                use(gpuThatAnswersAsTheCpu())
            } catch (error: Exception) {
                gpuFailure = error
                fallBack(error)
            }
        } else {
            use(Loaded(assets, file, Accelerator.CPU))
        }
    }

    /** All outputs as real numbers, for HEIGHT × WIDTH × CHANNELS bytes as Preprocessing gives them. */
    fun run(pixels: ByteArray): List<FloatArray> {
        Preprocessing.check(pixels)
        synchronized(lock) {
            check(!closed) { "the model is closed" }
            val used = loaded ?: fallBack(checkNotNull(gpuFailure))
            if (used.accelerator == Accelerator.CPU) return used.run(pixels)
            val failure = try {
                val answers = used.run(pixels)
                if (answers.all { numbers -> numbers.all { it.isFinite() } }) return answers
                IllegalStateException("the GPU gave numbers that are not finite")
            } catch (error: Exception) {
                error
            }
            gpuFailure = failure
            loaded = null
            used.closeQuietly()
            return fallBack(failure).run(pixels)
        }
    }

    /** Waits for an answer that is being made; may be called twice. */
    override fun close() = synchronized(lock) {
        val used = loaded
        loaded = null
        closed = true
        used?.close() ?: Unit
    }

    /** Puts the CPU in the GPU's place, or says why it cannot. */
    private fun fallBack(failure: Exception): Loaded {
        val cpu = try {
            Loaded(assets, file, Accelerator.CPU)
        } catch (error: Exception) {
            val reasons = "on the GPU: ${failure.message}; on the CPU: ${error.message}"
            throw IllegalStateException("the model cannot be run, $reasons", error).apply { addSuppressed(failure) }
        }
        use(cpu)
        onFallback(failure)
        return cpu
    }

    private fun use(made: Loaded) {
        loaded = made
        accelerator = made.accelerator
    }

    /**
     * Holds the GPU's answers against the CPU's on this device: for the images in assets/golden, where the app has them
     * (the bundle's golden/image_*), and otherwise for a black image and one of noise.
     */
    private fun gpuThatAnswersAsTheCpu(): Loaded {
        val gpu = Loaded(assets, file, Accelerator.GPU)
        var same = false
        try {
            Loaded(assets, file, Accelerator.CPU).use { cpu ->
                for ((name, pixels) in probes()) {
                    val pairs = cpu.run(pixels).zip(gpu.run(pixels))
                    for ((golden, answer) in pairs) check(near(golden, answer)) { "the GPU answers $name otherwise than the CPU" }
                }
            }
            same = true
        } finally {
            if (!same) gpu.closeQuietly()
        }
        return gpu
    }

    private fun probes(): List<Pair<String, ByteArray>> {
        val names = assets.list("golden").orEmpty().filter { it.startsWith("image_") }.sorted()
        val golden = names.map { name -> Pair(name, assets.open("golden/$name").use { it.readBytes() }) }
        golden.forEach { (_, pixels) -> Preprocessing.check(pixels) }
        val black = ByteArray(Preprocessing.HEIGHT * Preprocessing.WIDTH * Preprocessing.CHANNELS)
        val noise = black.copyOf().also { Random(0).nextBytes(it) }
        return golden.ifEmpty { listOf(Pair("a black image", black), Pair("noise", noise)) }
    }

    private fun near(golden: FloatArray, answer: FloatArray): Boolean {
        val room = GPU_ROOM * (golden.maxOfOrNull { abs(it) } ?: 0f)
        // Not a number is near to nothing.
        return golden.size == answer.size && golden.indices.all { abs(golden[it] - answer[it]) <= room }
    }

    /** A model on one accelerator, with the buffers of its input and outputs. */
    private class Loaded(assets: AssetManager, file: String, val accelerator: Accelerator) : AutoCloseable {
        private val model = CompiledModel.create(assets, file, CompiledModel.Options(accelerator))
        private val buffers = mutableListOf<TensorBuffer>()
        private val inputs: List<TensorBuffer>
        private val outputs: List<TensorBuffer>

        init {
            try {
                inputs = model.createInputBuffers().also { buffers += it }
                outputs = %%{kotlin_create_outputs}
            } catch (error: Exception) {
                closeQuietly()
                throw error
            }
        }

        fun run(pixels: ByteArray): List<FloatArray> {
            %%{kotlin_write_input}
            %%{kotlin_run_model}
            return listOf(
%%{kotlin_read_outputs}            )
        }

        override fun close() {
            buffers.forEach { it.close() }
            model.close()
        }

        /** After a failure, which must not be hidden by another one. */
        fun closeQuietly() {
            try {
                close()
            } catch (_: Exception) {
                // What failed before is told.
            }
        }
    }

    private companion object {
        /** How far the GPU's numbers may be from the CPU's, as a share of the largest of them: it rounds to 16 bits. */
        const val GPU_ROOM = 0.1f
    }
}
