import XCTest

// The module that holds the sources of this bundle: of the app, or the package's EdgeMnv3Model.
import EdgeMnv3Model

/// Holds the answers of this device to the bundle's golden ones: all %%{golden_count} images, all numbers.
///
/// Add the bundle's folder golden to the test target as a folder reference. It runs on the CPU with XNNPACK, as the
/// golden answers did; what may differ is what the bundle allows there.
final class GoldenTests: XCTestCase {
  /// An output, the start of its golden files, and how far a number may be from the golden one.
  private struct Output {
    let name: String
    let file: String
    let dtype: String
    let scale: Float
    let zeroPoint: Int
    /// What the limit counts; millionths of the image's largest golden number where it is nil.
    let step: Double?
    let limit: Double

    func numbers(_ stored: Data) -> [Float] {
      if dtype == "float32" {
        return stored.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      }
      return stored.map { Float(Int($0) - zeroPoint) * scale }
    }

    /// What is wrong with an answer, in words; nil where nothing is.
    func mistake(golden: [Float], answer: [Float]) -> String? {
      if answer.count != golden.count { return "\(answer.count) numbers, not \(golden.count)" }
      let largest = golden.map { abs(Double($0)) }.max() ?? 0.0
      let unit = step ?? ((largest > 0.0 ? largest : 1.0) / 1e6)
      let apart = golden.indices.map { (place: Int) -> Double in
        let units = abs(Double(golden[place]) - Double(answer[place])) / unit
        if units.isNaN { return Double.infinity }
        return step == nil ? units : units.rounded()
      }
      guard let worst = apart.indices.max(by: { apart[$0] < apart[$1] }) else { return "no numbers" }
      if apart[worst] <= limit { return nil }
      let units = step == nil ? "millionths of the largest" : "steps"
      let highest = Self.top(answer)
      let goldenHighest = Self.top(golden)
      return "number \(worst) is \(answer[worst]), the golden one \(golden[worst]): \(apart[worst]) \(units) apart, "
        + "\(limit) allowed; the highest number is at \(highest), the golden one at \(goldenHighest)"
    }

    private static func top(_ numbers: [Float]) -> Int {
      return numbers.indices.max(by: { numbers[$0] < numbers[$1] }) ?? -1
    }
  }

  private static let images = %%{golden_count}
  private static let outputs = [
%%{golden_swift_outputs}  ]

  func testAnswersAreTheGoldenOnes() throws {
    let model = try %%{golden_swift_class}()
    for image in 0..<Self.images {
      let number = String(format: "%02d", image)
      let pixels = [UInt8](try read("image_\(number).%%{golden_extension}"))
      let answers = %%{golden_swift_answers}
      for output in Self.outputs {
        let golden = output.numbers(try read("\(output.file)_\(number).bin"))
        if let mistake = output.mistake(golden: golden, answer: answers[output.name] ?? []) {
          XCTFail("image_\(number), output \(output.name) of %%{model_file}: \(mistake)")
        }
      }
    }
  }

  private func read(_ file: String) throws -> Data {
    let bundle = Bundle(for: GoldenTests.self)
    let url = try XCTUnwrap(bundle.url(forResource: "golden/\(file)", withExtension: nil), "golden/\(file) is missing")
    return try Data(contentsOf: url)
  }
}
