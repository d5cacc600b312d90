/// How alike two embeddings of as many numbers are: their cosine, -1 to 1; 0 where one of them is all zeros.
public func cosineSimilarity(_ one: [Float], _ other: [Float]) -> Float {
  precondition(one.count == other.count)
  var product = 0.0
  var squares = 0.0
  var otherSquares = 0.0
  for i in one.indices {
    product += Double(one[i]) * Double(other[i])
    squares += Double(one[i]) * Double(one[i])
    otherSquares += Double(other[i]) * Double(other[i])
  }
  let length = (squares * otherSquares).squareRoot()
  return length == 0 ? 0 : Float(product / length)
}
