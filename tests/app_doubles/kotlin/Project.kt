package edgemnv3.tests

import android.content.Context
import android.content.res.AssetManager
import android.net.Uri
import android.os.Build
import android.widget.Button
import androidx.activity.ComponentActivity
import edgemnv3.u8.Frame
import edgemnv3.u8.Photo
import java.io.File
import java.io.IOException

/** Reads photo.ppm old and new ways, then lives the life of an activity that is given it; prints what Gradle's files say. */
fun project(folder: File) {
    org.gradle.Settings().settings()
    org.gradle.Project().rootBuild()
    org.gradle.Project().appBuild()
    org.gradle.said.forEach { println("gradle $it") }
    val resolver = Context(AssetManager(folder)).contentResolver
    val photo = Uri(File(folder, "photo.ppm"))
    for (level in listOf(24, 27, 28, 35)) {
        Build.VERSION.SDK_INT = level
        write(File(folder, "photo$level.rgb"), Photo.read(resolver, photo))
        // A quarter of the pixels, and one less: every second one, and every third, or fourth.
        for (most in listOf(photoPixels(photo, resolver) / 4, photoPixels(photo, resolver) / 4 - 1)) {
            val small = Photo.read(resolver, photo, most)
            println("level $level at most $most: ${small.width} x ${small.height}")
        }
        for (name in listOf("nothing.ppm", "text.ppm", "damaged.ppm")) {
            try {
                Photo.read(resolver, Uri(File(folder, name)))
                println("level $level $name: read")
            } catch (error: IOException) {
                println("level $level $name: ${error.message}")
            }
        }
    }
    ComponentActivity.given = AssetManager(folder)
    for (picked in listOf(null, Uri(File(folder, "nothing.ppm")), photo)) {
        ComponentActivity.picked = picked
        edgemnv3.u8.app.MainActivity().live { pick(it) }
        // The worker ends by itself; what it prints comes in order.
        waitForWorkers()
    }
    edgemnv3.features.app.MainActivity().live { pick(it) }
    waitForWorkers()
}

private fun photoPixels(photo: Uri, resolver: android.content.ContentResolver): Int =
    Photo.read(resolver, photo).let { frame: Frame -> frame.width * frame.height }

private fun pick(activity: ComponentActivity) {
    check(activity.content.fitsSystemWindows)
    (activity.content.children[0] as Button).performClick()
}

private fun waitForWorkers() {
    Thread.getAllStackTraces().keys.filter { it.name.startsWith("pool-") }.forEach { it.join() }
}
