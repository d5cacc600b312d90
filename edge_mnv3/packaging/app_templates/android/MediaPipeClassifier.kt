package edgemnv3

import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.core.RunningMode
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier

/**
 * Classifier "%%{name}" with MediaPipe Tasks.
 *
 * Needs %%{model_file} in src/main/assets; labels and normalization are inside it. MediaPipe resizes what it gets to
 * the model's input, without averaging. It is given an image of that size, so that nothing is left to resize.
 * Any threads may share it: one is served after the other. After close() it refuses to answer.
 */
class MediaPipeClassifier(context: Context%%{kotlin_count}) : AutoCloseable {
    private val classifier =
        ImageClassifier.createFromOptions(
            context,
            ImageClassifier.ImageClassifierOptions.builder()
                .setBaseOptions(BaseOptions.builder().setModelAssetPath(MODEL_FILE).build())
                .setRunningMode(RunningMode.IMAGE)
                .setMaxResults(%%{kotlin_max_results})
                .build(),
        )
    private val lock = Any()
    private var closed = false

    /** %%{kotlin_classify_doc} */
    fun classify(bitmap: Bitmap): List<Classification> = classifyPixels(Preprocessing.pixels(bitmap))

    /** As above, for an upright frame: of a camera, see CameraFrame.kt, or of any pixels. */
    fun classify(frame: Frame): List<Classification> = classifyPixels(Preprocessing.pixels(frame))

    private fun classifyPixels(rgb: ByteArray): List<Classification> = synchronized(lock) {
        check(!closed) { "this classifier is closed" }
        val result = classifier.classify(BitmapImageBuilder(bitmapOf(rgb)).build())
        val categories = result.classificationResult().classifications()[0].categories()
        categories%%{kotlin_mediapipe_choose}.map { Classification(it.categoryName(), it.score()) }
    }

    /** Waits for an answer that is being made; may be called twice. */
    override fun close() = synchronized(lock) {
        if (!closed) {
            closed = true
            classifier.close()
        }
    }

    private fun bitmapOf(rgb: ByteArray): Bitmap {
        val argb = IntArray(Preprocessing.WIDTH * Preprocessing.HEIGHT) {
            val red = rgb[it * 3].toInt() and 0xFF
            val green = rgb[it * 3 + 1].toInt() and 0xFF
            val blue = rgb[it * 3 + 2].toInt() and 0xFF
            (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
        }
        return Bitmap.createBitmap(argb, Preprocessing.WIDTH, Preprocessing.HEIGHT, Bitmap.Config.ARGB_8888)
    }

    private companion object {
        const val MODEL_FILE = "%%{model_file}"
%%{kotlin_thresholds}    }
}
