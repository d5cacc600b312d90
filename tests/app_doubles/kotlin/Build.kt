package android.os

class Build {
    class VERSION {
        companion object {
            /** Android's level, which tests set. */
            @JvmField var SDK_INT = 35
        }
    }
}

class Bundle
