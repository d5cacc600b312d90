package com.google.mediapipe.tasks.vision.imageclassifier

import android.content.Context
import com.google.mediapipe.framework.image.MPImage
import com.google.mediapipe.tasks.components.containers.Category
import com.google.mediapipe.tasks.components.containers.ClassificationResult
import com.google.mediapipe.tasks.components.containers.Classifications
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.core.RunningMode
import java.io.File

class ImageClassifierResult internal constructor(private val result: ClassificationResult) {
    fun classificationResult(): ClassificationResult = result
}

/** Writes the image's bytes R, G, B beside the model as MODEL.mediapipe; answers "first", "second" and so on. */
class ImageClassifier private constructor(private val model: File, private val count: Int) : AutoCloseable {
    class ImageClassifierOptions private constructor(val path: String, val count: Int) {
        class Builder internal constructor() {
            private lateinit var base: BaseOptions
            private var count = -1
            private var mode: RunningMode? = null

            fun setBaseOptions(value: BaseOptions): Builder = apply { base = value }

            fun setRunningMode(value: RunningMode): Builder = apply { mode = value }

            fun setMaxResults(value: Int): Builder = apply { count = value }

            fun build(): ImageClassifierOptions {
                require(mode == RunningMode.IMAGE)
                return ImageClassifierOptions(base.modelAssetPath, count)
            }
        }

        companion object {
            @JvmStatic fun builder(): Builder = Builder()
        }
    }

    fun classify(image: MPImage): ImageClassifierResult {
        val (width, height) = Pair(image.bitmap.width, image.bitmap.height)
        val argb = IntArray(width * height)
        image.bitmap.getPixels(argb, 0, width, 0, 0, width, height)
        File("$model.mediapipe").writeBytes(
            ByteArray(argb.size * 3) { (argb[it / 3] shr (16 - 8 * (it % 3))).toByte() },
        )
        val names = listOf("first", "second", "third", "fourth", "fifth").let { if (count < 0) it else it.take(count) }
        val categories = names.mapIndexed { index, name -> Category(1f / (index + 1), index, name) }
        return ImageClassifierResult(ClassificationResult(listOf(Classifications(categories))))
    }

    override fun close() = Unit

    companion object {
        @JvmStatic
        fun createFromOptions(context: Context, options: ImageClassifierOptions): ImageClassifier =
            ImageClassifier(File(context.assets.folder, options.path), options.count)
    }
}
