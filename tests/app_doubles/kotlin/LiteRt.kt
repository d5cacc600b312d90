package com.google.ai.edge.litert

import android.content.res.AssetManager
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

enum class Accelerator { NONE, CPU, GPU, NPU }

class Environment

class LiteRtException(message: String) : Exception(message)

/** Bytes, as LiteRT holds them; written and read as they are. */
class TensorBuffer internal constructor(internal var bytes: ByteArray) : AutoCloseable {
    private var closed = false

    fun writeInt8(data: ByteArray) {
        bytes = data.copyOf()
    }

    fun readInt8(): ByteArray = bytes.copyOf()

    fun writeFloat(data: FloatArray) {
        bytes = ByteArray(data.size * 4)
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(data)
    }

    fun readFloat(): FloatArray {
        val floats = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(floats.remaining()).also { floats.get(it) }
    }

    override fun close() {
        check(!closed) { "closed twice" }
        closed = true
    }
}

/**
 * Writes its input beside the model as MODEL.input, and answers what is in MODEL.output. There is a GPU where there is
 * a file gpu, which says what fails on it: buffers; run; run N, from the Nth run on; other N and other N nan, whose answers
 * are others from the Nth run on; or nothing. There is no CPU where there is a file no_cpu.
 */
class CompiledModel private constructor(private val model: File, private val fault: String) : AutoCloseable {
    @Volatile private var running = false
    private val words = fault.split(" ")
    private var runs = 0

    class Options(val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        companion object {
            @JvmStatic val CPU = Options(Accelerator.CPU)
        }
    }

    @JvmOverloads
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = listOf(TensorBuffer(ByteArray(0)))

    @JvmOverloads
    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> {
        if (fault == "buffers") throw LiteRtException("no room for buffers")
        return listOf(TensorBuffer(ByteArray(0)))
    }

    fun createOutputBuffer(outputName: String, signature: String? = null): TensorBuffer {
        require(signature == null && outputName.isNotEmpty())
        return TensorBuffer(ByteArray(0))
    }

    /** As below, with what is in MODEL.NAME.output for each output. */
    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String? = null) {
        require(signature == null)
        if (fault == "run") throw LiteRtException("the GPU hangs")
        File("$model.input").writeBytes(inputs.getValue("image").bytes)
        outputs.forEach { (name, buffer) -> buffer.bytes = File("$model.$name.output").readBytes() }
    }

    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0) {
        require(signatureIndex == 0)
        check(!running) { "two threads at a time" }
        val fails = ++runs >= (words.getOrNull(1)?.toInt() ?: 1)
        if (fails && words[0] == "run") throw LiteRtException("the GPU hangs")
        running = true
        File("$model.input").writeBytes(inputs[0].bytes)
        val answer = File("$model.output").readBytes()
        outputs[0].bytes = if (fails && words[0] == "other") other(answer) else answer
        running = false
    }

    private fun other(answer: ByteArray): ByteArray {
        if (words.getOrNull(2) != "nan") return ByteArray(answer.size)
        return answer.copyOf().also { ByteBuffer.wrap(it).order(ByteOrder.LITTLE_ENDIAN).putFloat(0, Float.NaN) }
    }

    override fun close() {
        open--
    }

    companion object {
        /** How many are not closed. */
        var open = 0
            private set

        @JvmOverloads
        @JvmStatic
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options.CPU,
            optionalEnv: Environment? = null,
        ): CompiledModel {
            require(options.accelerators.size == 1 && optionalEnv == null)
            val gpu = File(assetManager.folder, "gpu")
            val wanted = Accelerator.GPU in options.accelerators
            if (wanted && !gpu.exists()) throw LiteRtException("no GPU here")
            if (!wanted && File(assetManager.folder, "no_cpu").exists()) throw LiteRtException("no memory")
            open++
            return CompiledModel(File(assetManager.folder, assetName), if (wanted) gpu.readText() else "")
        }
    }
}
