/// One answer: a line of the labels file, and its score.
struct Classification {
  let label: String
  let score: Float
}
