package edgemnv3.tests

import android.content.Context
import android.content.res.AssetManager
import androidx.test.platform.app.Instrumentation
import androidx.test.platform.app.InstrumentationRegistry
import java.io.File

/** Runs the golden tests of four models, each in a folder of its name, and prints what they say: "NAME passed", or the lines of the failure. */
fun golden(folder: File) {
    val tests = mapOf(
        "uint8" to { edgemnv3.u8.GoldenTest().answersAreTheGoldenOnes() },
        "int8" to { edgemnv3.i8.GoldenTest().answersAreTheGoldenOnes() },
        "float32" to { edgemnv3.f32.GoldenTest().answersAreTheGoldenOnes() },
        "features" to { edgemnv3.features.GoldenTest().answersAreTheGoldenOnes() },
    )
    for ((name, test) in tests) {
        val context = Context(AssetManager(File(folder, name)))
        InstrumentationRegistry.given = Instrumentation(context, context)
        try {
            test()
            println("$name passed")
        } catch (error: AssertionError) {
            error.message.orEmpty().lines().forEach { println("$name $it") }
        }
    }
}
