import CoreVideo
import Foundation
import ImageIO
import TensorFlowLite
import UIKit

/// Model "%%{name}" with TensorFlowLiteSwift: its outputs by their names.
///
/// Needs %%{model_file} in the app's bundle. Any threads may share it: one is served after the
/// other.
public final class TensorFlowLiteModel {
  private static let modelFile = "%%{model_file}"

  private let interpreter: Interpreter
  private let lock = NSLock()

  public init(bundle: Bundle = .ofModel) throws {
    guard let modelPath = bundle.path(forResource: Self.modelFile, ofType: nil) else {
      throw ModelError.missingFile(Self.modelFile)
    }
    var options = Interpreter.Options()
    // Off by default in this API; the model was measured with it.
    options.isXNNPackEnabled = true
    interpreter = try Interpreter(modelPath: modelPath, options: options)
    try interpreter.allocateTensors()
  }

  /// The outputs for an image by their names, each row by row with channels last.
  ///
  /// They are %%{outputs_in_words}.
  public func run(_ image: UIImage) throws -> [String: [Float]] {
    return try run(pixels: Preprocessing.pixels(of: image))
  }

  /// As above, for a frame of AVFoundation and how it is turned.
  public func run(_ frame: CVPixelBuffer, orientation: CGImagePropertyOrientation) throws -> [String: [Float]] {
    return try run(pixels: Preprocessing.pixels(of: frame, orientation: orientation))
  }

  /// As above, for inputHeight × inputWidth × channels bytes, as Preprocessing gives them.
  public func run(pixels: [UInt8]) throws -> [String: [Float]] {
    try Preprocessing.check(pixels)
    lock.lock()
    defer { lock.unlock() }
    %%{swift_write_input}
    try interpreter.invoke()
    var results = [String: [Float]]()
%%{swift_read_outputs}    return results
  }
}
