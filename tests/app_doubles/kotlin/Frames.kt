package edgemnv3.tests

import android.graphics.Bitmap
import android.graphics.Rect
import androidx.camera.core.ImageInfo
import androidx.camera.core.ImageProxy
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import edgemnv3.u8.Frame
import edgemnv3.u8.LiteRtClassifier
import edgemnv3.u8.Preprocessing
import edgemnv3.u8.toFrame
import java.io.File
import java.nio.ByteBuffer
import kotlin.concurrent.thread

private class Plane(bytes: ByteArray, override val rowStride: Int, override val pixelStride: Int) :
    ImageProxy.PlaneProxy {
    private val view = ByteBuffer.wrap(bytes).asReadOnlyBuffer()
    var asked = 0
    override val buffer: ByteBuffer
        get() = view.also { asked++ }
}

private class Image(
    override val format: Int,
    override val width: Int,
    override val height: Int,
    override val cropRect: Rect,
    override val planes: Array<ImageProxy.PlaneProxy>,
    override val imageInfo: ImageInfo,
) : ImageProxy {
    override fun close() = Unit
}

/** Lines of frames.txt: NAME FORMAT WIDTH HEIGHT LEFT TOP RIGHT BOTTOM DEGREES, then FILE ROWSTRIDE PIXELSTRIDE of each plane. */
private fun cameraImage(folder: File, words: List<String>): ImageProxy {
    val numbers = words.subList(1, 9).map { it.toInt() }
    val planes = words.drop(9).chunked(3).map { (file, rows, pixels) ->
        Plane(File(folder, file).readBytes(), rows.toInt(), pixels.toInt()) as ImageProxy.PlaneProxy
    }
    return Image(
        numbers[0], numbers[1], numbers[2], Rect(numbers[3], numbers[4], numbers[5], numbers[6]),
        planes.toTypedArray(), object : ImageInfo { override val rotationDegrees = numbers[7] },
    )
}

internal fun write(file: File, frame: Frame) {
    val argb = frame.argb
    file.writeBytes(ByteArray(argb.size * 3) { (argb[it / 3] shr (16 - 8 * (it % 3))).toByte() })
}

/** The message of what is refused. */
private fun refused(what: () -> Unit): String =
    try {
        what()
        "nothing"
    } catch (error: RuntimeException) {
        "${error.javaClass.simpleName}: ${error.message}"
    }

/** Turns frames and bitmaps, and writes what came of them; prints what is refused. */
fun frames(folder: File, bitmap: Bitmap, context: android.content.Context) {
    for (line in File(folder, "frames.txt").readLines()) {
        val words = line.split(" ")
        val image = cameraImage(folder, words)
        val frame = image.toFrame()
        check(image.planes.all { (it as Plane).asked == 1 }) { "a buffer is asked for more than once" }
        write(File(folder, "${words[0]}.rgb"), frame)
        File(folder, "${words[0]}.pixels").writeBytes(Preprocessing.pixels(frame))
    }
    val plain = Frame.of(bitmap)
    for (orientation in 0..8) write(File(folder, "exif$orientation.rgb"), plain.upright(orientation))
    val expected = Preprocessing.pixels(bitmap)
    for (config in listOf(Bitmap.Config.HARDWARE, Bitmap.Config.RGBA_F16, Bitmap.Config.RGB_565)) {
        val other = Bitmap.createBitmap(plain.argb, plain.width, plain.height, config)
        check(Preprocessing.pixels(other).contentEquals(expected)) { config }
    }
    check(Bitmap.copiesAreRecycled())
    val clear = IntArray(plain.argb.size) { plain.argb[it] and 0xFFFFFF }
    check(Preprocessing.pixels(clear, plain.width, plain.height).contentEquals(expected))
    val alpha = Bitmap.createBitmap(plain.argb, plain.width, plain.height, Bitmap.Config.ALPHA_8)
    val words = File(folder, "frames.txt").readLines().first().split(" ")
    println("refused ${refused { Frame.of(alpha) }}")
    val half = IntArray(plain.argb.size) { (plain.argb[it] and 0xFFFFFF) or ((if (it == 5) 127 else 128) shl 24) }
    val faint = Bitmap.createBitmap(half, plain.width, plain.height, Bitmap.Config.ARGB_8888)
    println("refused ${refused { Frame.of(faint) }}")
    faint.isPremultiplied = false
    check(Preprocessing.pixels(faint).contentEquals(expected))
    half[5] = half[5] or (128 shl 24)
    val bitmap128 = Bitmap.createBitmap(half, plain.width, plain.height, Bitmap.Config.HARDWARE)
    check(Preprocessing.pixels(bitmap128).contentEquals(expected))
    println("refused ${refused { plain.rotated(45) }}")
    println("refused ${refused { plain.upright(9) }}")
    println("refused ${refused { Frame(IntArray(3), 2, 2) }}")
    println("refused ${refused { cameraImage(folder, words.map { if (it == words[1]) "256" else it }).toFrame() }}")
    println("refused ${refused { cameraImage(folder, words.take(6) + "999" + words.drop(7)).toFrame() }}")
    threads(plain, context)
    gpu(folder, plain, context)
}

private fun threads(frame: Frame, context: android.content.Context) {
    val classifier = LiteRtClassifier(context)
    val expected = classifier.classify(frame)
    val wrong = java.util.concurrent.ConcurrentLinkedQueue<String>()
    val started = List(4) {
        thread {
            repeat(5) {
                try {
                    if (classifier.classify(frame) != expected) wrong += "other answers"
                } catch (error: RuntimeException) {
                    wrong += error.toString()
                }
            }
        }
    }
    started.forEach { it.join() }
    check(wrong.isEmpty()) { wrong.joinToString() }
    println("refused ${refused { classifier.scores(ByteArray(2)) }}")
    val busy = thread { refused { repeat(1000) { classifier.classify(frame) } } }
    classifier.close()
    classifier.close()
    busy.join()
    println("refused ${refused { classifier.classify(frame) }}")
}

private fun gpu(folder: File, frame: Frame, context: android.content.Context) {
    LiteRtClassifier(context, Accelerator.GPU).use { println("runs on ${it.accelerator}") }
    LiteRtClassifier(context, Accelerator.GPU, { println("told ${it.message}") }).use { println("runs on ${it.accelerator}") }
    val wanted = LiteRtClassifier(context).use { it.classify(frame) }
    // Two runs are of the images that the GPU is held against.
    for (fault in listOf("", "buffers", "run", "other 1", "other 2", "run 4")) {
        File(folder, "gpu").writeText(fault)
        LiteRtClassifier(context, Accelerator.GPU, { println("told ${it.message}") }).use {
            val first = it.accelerator
            repeat(3) { _ -> check(it.classify(frame) == wanted) }
            println("'$fault' runs on $first, then on ${it.accelerator}, ${CompiledModel.open} open")
        }
        check(CompiledModel.open == 0)
    }
    File(folder, "gpu").writeText("other 3 nan")
    edgemnv3.f32.LiteRtClassifier(context, Accelerator.GPU, { println("told ${it.message}") }).use {
        check(it.scores(ByteArray(FLOAT_PIXELS)).all { score -> score.isFinite() })
        println("runs on ${it.accelerator}")
    }
    golden(folder, context)
    noCpu(folder, wanted, frame, context)
    File(folder, "gpu").delete()
    println("refused ${refused { LiteRtClassifier(context, Accelerator.NPU).close() }}")
}

/** The CPU cannot run the model when the GPU fails; later it can. */
private fun noCpu(folder: File, wanted: List<Any>, frame: Frame, context: android.content.Context) {
    val missing = File(folder, "no_cpu")
    File(folder, "gpu").writeText("run 4")
    val classifier = LiteRtClassifier(context, Accelerator.GPU, { println("told ${it.message}") })
    check(classifier.classify(frame) == wanted)
    missing.writeText("")
    repeat(2) { println("refused ${refused { classifier.classify(frame) }}") }
    missing.delete()
    repeat(2) { check(classifier.classify(frame) == wanted) }
    classifier.close()
    println("refused ${refused { classifier.classify(frame) }}")
    missing.writeText("")
    println("refused ${refused { LiteRtClassifier(context, Accelerator.GPU, { println("told ${it.message}") }) }}")
    missing.delete()
    check(CompiledModel.open == 0)
}

private const val FLOAT_PIXELS =
    edgemnv3.f32.Preprocessing.HEIGHT * edgemnv3.f32.Preprocessing.WIDTH * edgemnv3.f32.Preprocessing.CHANNELS

/** With golden images in the assets, the GPU is held against those; features fall back too. */
private fun golden(folder: File, context: android.content.Context) {
    val images = File(folder, "golden").apply { mkdir() }
    File(images, "image_07.rgb").writeBytes(ByteArray(Preprocessing.HEIGHT * Preprocessing.WIDTH * 3) { 7 })
    File(images, "u8_07.bin").writeBytes(ByteArray(5))
    File(folder, "gpu").writeText("other 1")
    LiteRtClassifier(context, Accelerator.GPU, { println("told ${it.message}") }).close()
    File(folder, "gpu").writeText("run")
    edgemnv3.features.LiteRtModel(context, Accelerator.GPU, { println("told ${it.message}") }).use {
        println("features run on ${it.accelerator}")
        println("refused ${refused { it.runPixels(ByteArray(3)) }}")
    }
    File(images, "image_07.rgb").writeBytes(ByteArray(3))
    File(folder, "gpu").writeText("")
    LiteRtClassifier(context, Accelerator.GPU, { println("told ${it.message}") }).use { println("runs on ${it.accelerator}") }
    images.deleteRecursively()
}
