import UIKit

/// What is done to an image before the model sees it: %%{preprocess_description}.
///
/// The same arithmetic as in the measurement of the model's accuracy: bilinear, and where it shrinks, an average over
/// the area that a pixel covers.
public enum Preprocessing {
  /// Columns, rows and channels of the model's input.
  public static let inputWidth = %%{width}
  public static let inputHeight = %%{height}
  public static let channels = %%{channels}

  private static let weightBits = 22
  private static let half = 1 << (weightBits - 1)

  /// The source pixels that one target pixel is made of: from `start` on, one weight each.
  private struct Taps {
    let start: Int
    let weights: [Int]
  }

  /// Turns an image, upright as its orientation says, into inputHeight × inputWidth × channels bytes, %%{colours},
  /// 0..255.
  ///
  /// Transparency is ignored, as it was in the measurement. Core Graphics holds colours multiplied by their opacity, in
  /// whole numbers: down to one half they can be had back to about a step. Images with pixels below are refused.
  public static func pixels(of image: UIImage) throws -> [UInt8] {
    let width = Int((image.size.width * image.scale).rounded())
    let height = Int((image.size.height * image.scale).rounded())
    guard width > 0, height > 0, let space = CGColorSpace(name: CGColorSpace.sRGB) else {
      throw ModelError.unreadableImage
    }
    var rgba = [UInt8](repeating: 0, count: width * height * 4)
    let drawn = rgba.withUnsafeMutableBytes { (buffer: UnsafeMutableRawBufferPointer) -> Bool in
      guard
        let context = CGContext(
          data: buffer.baseAddress, width: width, height: height, bitsPerComponent: 8,
          bytesPerRow: width * 4, space: space, bitmapInfo: CGImageAlphaInfo.premultipliedLast.rawValue)
      else { return false }
      // UIKit counts rows from the top, Core Graphics from the bottom.
      context.translateBy(x: 0, y: CGFloat(height))
      context.scaleBy(x: 1, y: -1)
      UIGraphicsPushContext(context)
      image.draw(in: CGRect(x: 0, y: 0, width: width, height: height))
      UIGraphicsPopContext()
      return true
    }
    guard drawn else { throw ModelError.unreadableImage }
    var rgb = [UInt8](repeating: 0, count: width * height * 3)
    for pixel in 0..<(width * height) {
      let opacity = Int(rgba[pixel * 4 + 3])
      guard opacity >= 128 else { throw ModelError.transparentImage }
      for channel in 0..<3 {
        let colour = (Int(rgba[pixel * 4 + channel]) * 255 + opacity / 2) / opacity
        rgb[pixel * 3 + channel] = UInt8(min(colour, 255))
      }
    }
    return pixels(rgb: rgb, width: width, height: height)
  }

  /// Throws where bytes are not inputHeight × inputWidth × channels.
  public static func check(_ pixels: [UInt8]) throws {
    guard pixels.count == inputHeight * inputWidth * channels else { throw ModelError.pixelCount(pixels.count) }
  }

  /// As above, from height × width × 3 bytes, RGB, row by row.
  public static func pixels(rgb: [UInt8], width: Int, height: Int) -> [UInt8] {
    let source = %%{swift_channels}
    let (left, upper, right, lower) = box(width: Double(width), height: Double(height))
    let columns = taps(length: width, from: left, to: right, size: inputWidth)
    let rows = taps(length: height, from: upper, to: lower, size: inputHeight)
    // The order matters in the last bit: each pass rounds.
    if height > inputHeight && height - inputHeight > (width - inputWidth) * 2 {
      return resizeRows(
        resizeColumns(source, width: width, rows: rows), width: width, height: inputHeight, columns: columns)
    }
    return resizeColumns(
      resizeRows(source, width: width, height: height, columns: columns), width: inputWidth, rows: rows)
  }

  /// The part of the image that is used: left, upper, right, lower in source pixels.
  private static func box(width: Double, height: Double) -> (Float, Float, Float, Float) {
    let left = %%{box_left}
    let upper = %%{box_upper}
    let right = %%{box_right}
    let lower = %%{box_lower}
    return (Float(left), Float(upper), Float(right), Float(lower))
  }

  /// height × width × channels bytes to height × inputWidth × channels.
  private static func resizeRows(
    _ source: [UInt8], width: Int, height: Int, columns: [Taps]
  ) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: height * inputWidth * channels)
    var at = 0
    for y in 0..<height {
      for column in columns {
        let first = (y * width + column.start) * channels
        for channel in 0..<channels {
          var sum = half
          for i in 0..<column.weights.count {
            sum += Int(source[first + i * channels + channel]) * column.weights[i]
          }
          result[at] = clip(sum)
          at += 1
        }
      }
    }
    return result
  }

  /// height × width × channels bytes to inputHeight × width × channels.
  private static func resizeColumns(_ source: [UInt8], width: Int, rows: [Taps]) -> [UInt8] {
    let rowLength = width * channels
    var result = [UInt8](repeating: 0, count: inputHeight * rowLength)
    var at = 0
    for row in rows {
      for x in 0..<rowLength {
        var sum = half
        for i in 0..<row.weights.count {
          sum += Int(source[(row.start + i) * rowLength + x]) * row.weights[i]
        }
        result[at] = clip(sum)
        at += 1
      }
    }
    return result
  }

  private static func taps(length: Int, from: Float, to: Float, size: Int) -> [Taps] {
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
