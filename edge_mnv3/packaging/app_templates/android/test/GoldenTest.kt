package edgemnv3

import androidx.test.platform.app.InstrumentationRegistry
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import kotlin.math.floor
import org.junit.Test

/**
 * Holds the answers of this device to the bundle's golden ones: all %%{golden_count} images, all numbers.
 *
 * An instrumented test: put it in src/androidTest/java, and the bundle's folder golden in src/androidTest/assets. It
 * runs on the CPU with XNNPACK, as the golden answers did; what may differ is what the bundle allows there.
 */
class GoldenTest {
    /** An output, the start of its golden files, and how far a number may be from the golden one. */
    private class Output(
        val name: String,
        val file: String,
        val dtype: String,
        val scale: Float,
        val zeroPoint: Int,
        val step: Double?, // what the limit counts; millionths of the image's largest golden number where it is null
        val limit: Int,
    ) {
        fun numbers(stored: ByteArray): FloatArray = when (dtype) {
            "float32" -> ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
                .let { floats -> FloatArray(floats.remaining()) { floats.get(it) } }
            "uint8" -> FloatArray(stored.size) { ((stored[it].toInt() and 0xFF) - zeroPoint) * scale }
            else -> FloatArray(stored.size) { (stored[it].toInt() - zeroPoint) * scale }
        }

        /** What is wrong with an answer, in words; null where nothing is. */
        fun mistake(golden: FloatArray, answer: FloatArray): String? {
            if (answer.size != golden.size) return "${answer.size} numbers, not ${golden.size}"
            val largest = golden.maxOf { abs(it.toDouble()) }
            val unit = step ?: ((if (largest > 0.0) largest else 1.0) / 1e6)
            val apart = golden.indices.map { place ->
                val units = abs(golden[place].toDouble() - answer[place]) / unit
                if (units.isNaN()) Double.POSITIVE_INFINITY else if (step == null) units else floor(units + 0.5)
            }
            val worst = apart.indices.maxByOrNull { apart[it] } ?: return "no numbers"
            if (apart[worst] <= limit) return null
            val units = if (step == null) "millionths of the largest" else "steps"
            val tops = Pair(top(golden), top(answer))
            return "number $worst is ${answer[worst]}, the golden one ${golden[worst]}: ${apart[worst]} $units apart, " +
                "$limit allowed; the highest number is at ${tops.second}, the golden one at ${tops.first}"
        }

        private fun top(numbers: FloatArray): Int = numbers.indices.maxByOrNull { numbers[it] } ?: -1
    }

    @Test
    fun answersAreTheGoldenOnes() {
        val instrumentation = InstrumentationRegistry.getInstrumentation()
        val assets = instrumentation.context.assets
        fun read(file: String) = assets.open("golden/$file").use { it.readBytes() }
        val wrong = mutableListOf<String>()
        %%{golden_class}(instrumentation.targetContext).use { model ->
            for (image in 0 until IMAGES) {
                val number = image.toString().padStart(2, '0')
                val answers = %%{golden_kotlin_answers}
                for (output in OUTPUTS) {
                    val golden = output.numbers(read("${output.file}_$number.bin"))
                    val mistake = output.mistake(golden, answers.getValue(output.name))
                    if (mistake != null) wrong += "image_$number, output ${output.name}: $mistake"
                }
            }
        }
        if (wrong.isNotEmpty()) {
            throw AssertionError(
                "${wrong.size} of ${IMAGES * OUTPUTS.size} golden answers of %%{model_file} differ:\n" +
                    wrong.joinToString("\n"),
            )
        }
    }

    private companion object {
        const val IMAGES = %%{golden_count}
        val OUTPUTS = listOf(
%%{golden_kotlin_outputs}        )
    }
}
