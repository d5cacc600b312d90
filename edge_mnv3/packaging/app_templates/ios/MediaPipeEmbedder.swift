import CoreVideo
import ImageIO
import MediaPipeTasksVision
import UIKit

/// Embeddings of "%%{name}" with MediaPipe Tasks.
///
/// Needs %%{model_file} in the app's bundle; its normalization is inside it. MediaPipe resizes what it gets to the
/// model's input, without averaging. It is given an image of that size, so that nothing is left to resize.
public final class MediaPipeEmbedder {
  private static let modelFile = "%%{model_file}"

  private let embedder: ImageEmbedder

  public init(bundle: Bundle = .ofModel) throws {
    guard let modelPath = bundle.path(forResource: Self.modelFile, ofType: nil) else {
      throw ModelError.missingFile(Self.modelFile)
    }
    let options = ImageEmbedderOptions()
    options.baseOptions.modelAssetPath = modelPath
    options.runningMode = .image
    embedder = try ImageEmbedder(options: options)
  }

  /// The embedding of an image: %%{class_count} numbers, as the model gives them.
  public func embed(_ image: UIImage) throws -> [Float] {
    return try embed(pixels: Preprocessing.pixels(of: image))
  }

  /// As above, for a frame of AVFoundation and how it is turned.
  public func embed(_ frame: CVPixelBuffer, orientation: CGImagePropertyOrientation) throws -> [Float] {
    return try embed(pixels: Preprocessing.pixels(of: frame, orientation: orientation))
  }

  private func embed(pixels: [UInt8]) throws -> [Float] {
    let result = try embedder.embed(image: MPImage(uiImage: Self.image(of: pixels)))
    return (result.embeddingResult.embeddings[0].floatEmbedding ?? []).map { $0.floatValue }
  }

  private static func image(of rgb: [UInt8]) throws -> UIImage {
    let width = Preprocessing.inputWidth
    let height = Preprocessing.inputHeight
    // Opaque: MediaPipe wants an alpha channel.
    var rgba = [UInt8](repeating: 255, count: width * height * 4)
    for pixel in 0..<(width * height) {
      for channel in 0..<3 { rgba[pixel * 4 + channel] = rgb[pixel * 3 + channel] }
    }
    guard
      let space = CGColorSpace(name: CGColorSpace.sRGB),
      let provider = CGDataProvider(data: Data(rgba) as CFData),
      let made = CGImage(
        width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 32, bytesPerRow: width * 4,
        space: space, bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.premultipliedLast.rawValue),
        provider: provider, decode: nil, shouldInterpolate: false, intent: .defaultIntent)
    else { throw ModelError.unreadableImage }
    return UIImage(cgImage: made)
  }
}
