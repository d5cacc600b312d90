/// What can go wrong before the model runs.
enum ModelError: Error {
  case missingFile(String)
  case labelCount(Int)
  case unreadableImage
  case unknownPixelFormat(UInt32)
  case pixelCount(Int)
}
