import Foundation
import TensorFlowLite
import UIKit

/// Model "%%{name}" with TensorFlowLiteSwift: its outputs by their names.
///
/// Needs %%{model_file} in the app's bundle. Not thread-safe: use it from one queue.
final class TensorFlowLiteModel {
  private static let modelFile = "%%{model_file}"

  private let interpreter: Interpreter

  init(bundle: Bundle = .main) throws {
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
  func run(_ image: UIImage) throws -> [String: [Float]] {
    let pixels = try Preprocessing.pixels(of: image)
    %%{swift_write_input}
    try interpreter.invoke()
    var results = [String: [Float]]()
%%{swift_read_outputs}    return results
  }
}
