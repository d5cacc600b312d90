package edgemnv3

/** One answer: a line of the labels file, and its score. */
data class Classification(val label: String, val score: Float)
