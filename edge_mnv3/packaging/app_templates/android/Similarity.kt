package edgemnv3

import kotlin.math.sqrt

/** How alike two embeddings are: their cosine, -1 to 1; 0 where one of them is all zeros. */
fun cosineSimilarity(one: FloatArray, other: FloatArray): Float {
    require(one.size == other.size) { "embeddings of ${one.size} and ${other.size} numbers" }
    var product = 0.0
    var squares = 0.0
    var otherSquares = 0.0
    for (i in one.indices) {
        product += one[i].toDouble() * other[i]
        squares += one[i].toDouble() * one[i]
        otherSquares += other[i].toDouble() * other[i]
    }
    val length = sqrt(squares * otherSquares)
    return if (length == 0.0) 0f else (product / length).toFloat()
}
