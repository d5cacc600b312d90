/// One answer: a line of the labels file, and its score.
struct Classification {
  let label: String
  let score: Float
}

/// What can go wrong before the model runs.
enum ClassifierError: Error {
  case missingFile(String)
  case labelCount(Int)
  case unreadableImage
}
