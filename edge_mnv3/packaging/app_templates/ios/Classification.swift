/// One answer: a line of the labels file, and its score.
public struct Classification: Equatable {
  public let label: String
  public let score: Float

  public init(label: String, score: Float) {
    self.label = label
    self.score = score
  }
}
