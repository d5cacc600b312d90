import CoreVideo
import Foundation
import ImageIO
import TensorFlowLite
import UIKit

/// Classifier "%%{name}" with TensorFlowLiteSwift.
///
/// Needs %%{model_file} and %%{labels_file} in the app's bundle. Any threads may share it: one is served after the
/// other.
public final class TensorFlowLiteClassifier {
  private static let modelFile = "%%{model_file}"
  private static let labelsFile = "%%{labels_file}"
  private static let classCount = %%{class_count}
%%{swift_thresholds}
  private let labels: [String]
  private let interpreter: Interpreter
  private let lock = NSLock()

  public init(bundle: Bundle = .ofModel) throws {
    guard let modelPath = bundle.path(forResource: Self.modelFile, ofType: nil) else {
      throw ModelError.missingFile(Self.modelFile)
    }
    guard let labelsPath = bundle.path(forResource: Self.labelsFile, ofType: nil) else {
      throw ModelError.missingFile(Self.labelsFile)
    }
    let text = try String(contentsOfFile: labelsPath, encoding: .utf8)
    var lines = text.components(separatedBy: "\n")
    if lines.last == "" { lines.removeLast() }
    guard lines.count == Self.classCount else { throw ModelError.labelCount(lines.count) }
    labels = lines
    var options = Interpreter.Options()
    // Off by default in this API; the model was measured with it.
    options.isXNNPackEnabled = true
    interpreter = try Interpreter(modelPath: modelPath, options: options)
    try interpreter.allocateTensors()
  }

  /// %%{swift_classify_doc}
  public func classify(_ image: UIImage%%{swift_count}) throws -> [Classification] {
    return chosen(try scores(for: Preprocessing.pixels(of: image))%%{swift_count_given})
  }

  /// As above, for a frame of AVFoundation and how it is turned.
  public func classify(
    _ frame: CVPixelBuffer, orientation: CGImagePropertyOrientation%%{swift_count}
  ) throws -> [Classification] {
    return chosen(try scores(for: Preprocessing.pixels(of: frame, orientation: orientation))%%{swift_count_given})
  }

  /// The scores of all classes for inputHeight × inputWidth × channels bytes, as Preprocessing gives them.
  public func scores(for pixels: [UInt8]) throws -> [Float] {
    try Preprocessing.check(pixels)
    lock.lock()
    defer { lock.unlock() }
    %%{swift_write_input}
    try interpreter.invoke()
    let output = try interpreter.output(at: 0).data
    %%{swift_read_scores}
    return scores
  }

  private func chosen(_ scores: [Float]%%{swift_count_taken}) -> [Classification] {
    let order = scores.indices.sorted { a, b in scores[a] != scores[b] ? scores[a] > scores[b] : a < b }
    return order%%{swift_choose}.map { Classification(label: labels[$0], score: scores[$0]) }
  }
}
