package edgemnv3

import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.core.RunningMode
import com.google.mediapipe.tasks.vision.imageembedder.ImageEmbedder

/**
 * Embeddings of "%%{name}" with MediaPipe Tasks.
 *
 * Needs %%{model_file} in src/main/assets; its normalization is inside it. MediaPipe resizes what it gets to
 * the model's input, without averaging. It is given an image of that size, so that nothing is left to resize.
 * Any threads may share it: one is served after the other. After close() it refuses to answer.
 */
class MediaPipeEmbedder(context: Context) : AutoCloseable {
    private val embedder =
        ImageEmbedder.createFromOptions(
            context,
            ImageEmbedder.ImageEmbedderOptions.builder()
                .setBaseOptions(BaseOptions.builder().setModelAssetPath(MODEL_FILE).build())
                .setRunningMode(RunningMode.IMAGE)
                .build(),
        )
    private val lock = Any()
    private var closed = false

    /** The embedding of an upright bitmap: %%{class_count} numbers, as the model gives them. */
    fun embed(bitmap: Bitmap): FloatArray = embedPixels(Preprocessing.pixels(bitmap))

    /** As above, for an upright frame: of a camera, see CameraFrame.kt, or of any pixels. */
    fun embed(frame: Frame): FloatArray = embedPixels(Preprocessing.pixels(frame))

    private fun embedPixels(rgb: ByteArray): FloatArray = synchronized(lock) {
        check(!closed) { "this embedder is closed" }
        val result = embedder.embed(BitmapImageBuilder(bitmapOf(rgb)).build())
        result.embeddingResult().embeddings()[0].floatEmbedding()
    }

    /** Waits for an answer that is being made; may be called twice. */
    override fun close() = synchronized(lock) {
        if (!closed) {
            closed = true
            embedder.close()
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
    }
}
