import UIKit

/// What is done to an image before the model sees it: %%{preprocess_description}.
///
/// The same arithmetic as in the measurement of the model's accuracy: bilinear, and where it shrinks, an average over
/// the area that a pixel covers.
enum Preprocessing {
  /// Side of the model's square input in pixels.
  static let size = %%{size}

  private static let weightBits = 22
  private static let half = 1 << (weightBits - 1)

  /// The source pixels that one target pixel is made of: from `start` on, one weight each.
  private struct Taps {
    let start: Int
    let weights: [Int]
  }

  /// Turns an image, upright as its orientation says, into size × size × 3 bytes, RGB, 0..255.
  static func pixels(of image: UIImage) throws -> [UInt8] {
    let width = Int((image.size.width * image.scale).rounded())
    let height = Int((image.size.height * image.scale).rounded())
    guard width > 0, height > 0, let space = CGColorSpace(name: CGColorSpace.sRGB) else {
      throw ClassifierError.unreadableImage
    }
    var rgba = [UInt8](repeating: 0, count: width * height * 4)
    let drawn = rgba.withUnsafeMutableBytes { (buffer: UnsafeMutableRawBufferPointer) -> Bool in
      guard
        let context = CGContext(
          data: buffer.baseAddress, width: width, height: height, bitsPerComponent: 8,
          bytesPerRow: width * 4, space: space, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
      else { return false }
      // UIKit counts rows from the top, Core Graphics from the bottom.
      context.translateBy(x: 0, y: CGFloat(height))
      context.scaleBy(x: 1, y: -1)
      UIGraphicsPushContext(context)
      image.draw(in: CGRect(x: 0, y: 0, width: width, height: height))
      UIGraphicsPopContext()
      return true
    }
    guard drawn else { throw ClassifierError.unreadableImage }
    return pixels(rgba: rgba, width: width, height: height)
  }

  /// As above, from bytes R, G, B, unused, row by row.
  static func pixels(rgba: [UInt8], width: Int, height: Int) -> [UInt8] {
    let (left, upper, right, lower) = box(width: Double(width), height: Double(height))
    let columns = taps(length: width, from: left, to: right)
    let rows = taps(length: height, from: upper, to: lower)
    let narrow = shrinkRows(rgba: rgba, width: width, height: height, columns: columns)
    let rowLength = size * 3
    var result = [UInt8](repeating: 0, count: size * rowLength)
    for y in 0..<size {
      let row = rows[y]
      for x in 0..<rowLength {
        var sum = half
        for i in 0..<row.weights.count {
          sum += Int(narrow[(row.start + i) * rowLength + x]) * row.weights[i]
        }
        result[y * rowLength + x] = clip(sum)
      }
    }
    return result
  }

  /// The part of the image that is used: left, upper, right, lower in source pixels.
  private static func box(width: Double, height: Double) -> (Float, Float, Float, Float) {
    let left = %%{box_left}
    let upper = %%{box_upper}
    let right = %%{box_right}
    let lower = %%{box_lower}
    return (Float(left), Float(upper), Float(right), Float(lower))
  }

  private static func shrinkRows(rgba: [UInt8], width: Int, height: Int, columns: [Taps]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: height * size * 3)
    var at = 0
    for y in 0..<height {
      for column in columns {
        for channel in 0..<3 {
          var sum = half
          for i in 0..<column.weights.count {
            sum += Int(rgba[(y * width + column.start + i) * 4 + channel]) * column.weights[i]
          }
          result[at] = clip(sum)
          at += 1
        }
      }
    }
    return result
  }

  private static func taps(length: Int, from: Float, to: Float) -> [Taps] {
    let scale = Double(to - from) / Double(size)
    let support = max(scale, 1.0)
    return (0..<size).map { target in
      let center = Double(from) + (Double(target) + 0.5) * scale
      let start = max(Int(center - support + 0.5), 0)
      let end = min(Int(center + support + 0.5), length)
      let shares = (start..<end).map { source in
        max(1.0 - abs((Double(source) - center + 0.5) * (1.0 / support)), 0.0)
      }
      let sum = shares.reduce(0.0, +)
      return Taps(
        start: start, weights: shares.map { Int(0.5 + $0 / sum * Double(1 << weightBits)) })
    }
  }

  private static func clip(_ sum: Int) -> UInt8 {
    return UInt8(min(max(sum >> weightBits, 0), 255))
  }
}
