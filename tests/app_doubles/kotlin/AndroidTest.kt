package androidx.test.platform.app

import android.content.Context

class Instrumentation(val context: Context, val targetContext: Context)

object InstrumentationRegistry {
    /** What the test runs in. */
    lateinit var given: Instrumentation

    @JvmStatic fun getInstrumentation(): Instrumentation = given
}
