package com.google.mediapipe.tasks.vision.imageembedder

import android.content.Context
import com.google.mediapipe.framework.image.MPImage
import com.google.mediapipe.tasks.components.containers.Embedding
import com.google.mediapipe.tasks.components.containers.EmbeddingResult
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.core.RunningMode

class ImageEmbedderResult internal constructor(private val result: EmbeddingResult) {
    fun embeddingResult(): EmbeddingResult = result
}

/** Answers the image's width and height. */
class ImageEmbedder private constructor() : AutoCloseable {
    class ImageEmbedderOptions private constructor(val path: String) {
        class Builder internal constructor() {
            private lateinit var base: BaseOptions
            private var mode: RunningMode? = null

            fun setBaseOptions(value: BaseOptions): Builder = apply { base = value }

            fun setRunningMode(value: RunningMode): Builder = apply { mode = value }

            fun build(): ImageEmbedderOptions {
                require(mode == RunningMode.IMAGE)
                return ImageEmbedderOptions(base.modelAssetPath)
            }
        }

        companion object {
            @JvmStatic fun builder(): Builder = Builder()
        }
    }

    fun embed(image: MPImage): ImageEmbedderResult {
        val size = floatArrayOf(image.bitmap.width.toFloat(), image.bitmap.height.toFloat())
        return ImageEmbedderResult(EmbeddingResult(listOf(Embedding(size))))
    }

    override fun close() = Unit

    companion object {
        @JvmStatic
        fun createFromOptions(context: Context, options: ImageEmbedderOptions): ImageEmbedder {
            require(context.assets.folder.resolve(options.path).exists())
            return ImageEmbedder()
        }
    }
}
