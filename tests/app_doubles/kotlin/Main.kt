package edgemnv3.tests

import android.content.Context
import android.content.res.AssetManager
import android.graphics.Bitmap
import java.io.File

/** Classifies image.ppm of a folder with every classifier, and prints the answers: "NAME label score". */
fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    val context = Context(AssetManager(folder))
    if (File(folder, "features").isDirectory) return golden(folder)
    if (File(folder, "photo.ppm").exists()) return project(folder)
    val bitmap = readPpm(File(folder, "image.ppm"))
    if (File(folder, "frames.txt").exists()) return frames(folder, bitmap, context)
    edgemnv3.u8.LiteRtClassifier(context).use { classifier ->
        classifier.classify(bitmap, 3).forEach { println("uint8 ${it.label} ${it.score}") }
    }
    edgemnv3.u8.MediaPipeClassifier(context, 2).use { classifier ->
        classifier.classify(bitmap).forEach { println("mediapipe ${it.label} ${it.score}") }
    }
    edgemnv3.i8.LiteRtClassifier(context).use { classifier ->
        classifier.classify(bitmap, 3).forEach { println("int8 ${it.label} ${it.score}") }
    }
    edgemnv3.labels.LiteRtClassifier(context).use { classifier ->
        classifier.classify(bitmap).forEach { println("labels ${it.label} ${it.score}") }
    }
    edgemnv3.labels.MediaPipeClassifier(context).use { classifier ->
        classifier.classify(bitmap).forEach { println("mediapipe_labels ${it.label} ${it.score}") }
    }
    edgemnv3.features.LiteRtModel(context).use { model ->
        val numbers = model.run(bitmap).getValue("features")
        numbers.forEachIndexed { place, number -> println("features $place $number") }
        println("similarity itself ${edgemnv3.features.cosineSimilarity(numbers, numbers)}")
    }
    edgemnv3.features.MediaPipeEmbedder(context).use { embedder ->
        embedder.embed(bitmap).forEachIndexed { place, number -> println("mediapipe_features $place $number") }
    }
    edgemnv3.f32.LiteRtClassifier(context).use { classifier ->
        classifier.classify(bitmap, 3).forEach { println("float32 ${it.label} ${it.score}") }
    }
}

private fun readPpm(file: File): Bitmap {
    val bytes = file.readBytes()
    val header = String(bytes, 0, minOf(bytes.size, 40), Charsets.ISO_8859_1).split(Regex("\\s"), 5)
    val (width, height) = Pair(header[1].toInt(), header[2].toInt())
    val start = header.take(4).sumOf { it.length + 1 }
    fun channel(at: Int) = bytes[start + at].toInt() and 0xFF
    val argb = IntArray(width * height) {
        (0xFF shl 24) or (channel(it * 3) shl 16) or (channel(it * 3 + 1) shl 8) or channel(it * 3 + 2)
    }
    return Bitmap.createBitmap(argb, width, height, Bitmap.Config.ARGB_8888)
}
