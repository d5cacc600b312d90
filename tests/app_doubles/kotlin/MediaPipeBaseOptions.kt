package com.google.mediapipe.tasks.core

class BaseOptions private constructor(val modelAssetPath: String) {
    class Builder internal constructor() {
        private var path = ""

        fun setModelAssetPath(value: String): Builder = apply { path = value }

        fun build(): BaseOptions = BaseOptions(path)
    }

    companion object {
        @JvmStatic fun builder(): Builder = Builder()
    }
}
