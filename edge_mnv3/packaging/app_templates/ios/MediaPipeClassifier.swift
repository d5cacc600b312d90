import CoreVideo
import ImageIO
import MediaPipeTasksVision
import UIKit

/// Classifier "%%{name}" with MediaPipe Tasks.
///
/// Needs %%{model_file} in the app's bundle; labels and normalization are inside it. MediaPipe resizes what it gets to
/// the model's input, without averaging. It is given an image of that size, so that nothing is left to resize.
public final class MediaPipeClassifier {
  private static let modelFile = "%%{model_file}"
%%{swift_thresholds}
  private let classifier: ImageClassifier

  public init(bundle: Bundle = .ofModel%%{swift_count}) throws {
    guard let modelPath = bundle.path(forResource: Self.modelFile, ofType: nil) else {
      throw ModelError.missingFile(Self.modelFile)
    }
    let options = ImageClassifierOptions()
    options.baseOptions.modelAssetPath = modelPath
    options.runningMode = .image
    options.maxResults = %%{swift_max_results}
    classifier = try ImageClassifier(options: options)
  }

  /// %%{swift_classify_doc}
  public func classify(_ image: UIImage) throws -> [Classification] {
    return try classify(pixels: Preprocessing.pixels(of: image))
  }

  /// As above, for a frame of AVFoundation and how it is turned.
  public func classify(_ frame: CVPixelBuffer, orientation: CGImagePropertyOrientation) throws -> [Classification] {
    return try classify(pixels: Preprocessing.pixels(of: frame, orientation: orientation))
  }

  private func classify(pixels: [UInt8]) throws -> [Classification] {
    let result = try classifier.classify(image: MPImage(uiImage: Self.image(of: pixels)))
    let categories = result.classificationResult.classifications[0].categories
    return categories%%{swift_mediapipe_choose}.map {
      Classification(label: $0.categoryName ?? String($0.index), score: $0.score)
    }
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
