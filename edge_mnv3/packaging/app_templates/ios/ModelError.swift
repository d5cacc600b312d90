/// What can go wrong before the model runs.
public enum ModelError: Error, Equatable {
  case missingFile(String)
  case labelCount(Int)
  case unreadableImage
  case unknownPixelFormat(UInt32)
  case pixelCount(Int)
  /// A camera's frame whose YCbCr is neither that of BT.601 nor that of BT.709.
  case unknownColourMatrix(String)
  /// A camera's frame in Display P3, DCI-P3 or BT.2020, which would be read as sRGB.
  case wideColours(String)
  /// An image with pixels that are more transparent than opaque: their colours are lost. Draw it on a background.
  case transparentImage
}
