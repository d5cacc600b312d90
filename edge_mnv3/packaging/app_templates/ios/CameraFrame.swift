import CoreVideo
import Foundation
import ImageIO

/// Frames of AVFoundation's capture outputs: kCVPixelFormatType_32BGRA, and 420YpCbCr8BiPlanar in full and video range.
extension Preprocessing {
  /// Turns a frame, with any bytes per row, into inputHeight × inputWidth × channels bytes of the upright image.
  ///
  /// YCbCr is read by the matrix that the frame states, BT.601 or BT.709, and by BT.601 where it states none. Other
  /// matrices are refused: set BGRA on the output then. So are wide colours, which would be read as sRGB: set
  /// automaticallyConfiguresCaptureDeviceForWideColor of the session to false.
  public static func pixels(of frame: CVPixelBuffer, orientation: CGImagePropertyOrientation) throws -> [UInt8] {
    guard CVPixelBufferLockBaseAddress(frame, .readOnly) == kCVReturnSuccess else {
      throw ModelError.unreadableImage
    }
    defer { CVPixelBufferUnlockBaseAddress(frame, .readOnly) }
    if let primaries = stated(kCVImageBufferColorPrimariesKey, of: frame),
      wide.contains(where: { primaries == $0 as String })
    {
      throw ModelError.wideColours(primaries)
    }
    let width = CVPixelBufferGetWidth(frame)
    let height = CVPixelBufferGetHeight(frame)
    let rgb: [UInt8]
    switch CVPixelBufferGetPixelFormatType(frame) {
    case kCVPixelFormatType_32BGRA:
      rgb = try coloursOfBgra(frame, width: width, height: height)
    case kCVPixelFormatType_420YpCbCr8BiPlanarFullRange:
      rgb = try coloursOfYCbCr(frame, width: width, height: height, fullRange: true)
    case kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange:
      rgb = try coloursOfYCbCr(frame, width: width, height: height, fullRange: false)
    case let format:
      throw ModelError.unknownPixelFormat(format)
    }
    return upright(rgb, width: width, height: height, orientation: orientation)
  }

  /// What red, green and blue take of the two differences of colour.
  private struct Matrix {
    let redOfCr: Double
    let greenOfCb: Double
    let greenOfCr: Double
    let blueOfCb: Double

    static let bt601 = Matrix(redOfCr: 1.402, greenOfCb: 0.344136, greenOfCr: 0.714136, blueOfCb: 1.772)
    static let bt709 = Matrix(redOfCr: 1.5748, greenOfCb: 0.1873, greenOfCr: 0.4681, blueOfCb: 1.8556)
  }

  /// The primaries of displays and films that show more colours than sRGB.
  private static let wide = [
    kCVImageBufferColorPrimaries_P3_D65, kCVImageBufferColorPrimaries_DCI_P3, kCVImageBufferColorPrimaries_ITU_R_2020,
  ]

  /// What a frame states of itself; nil where it states nothing.
  private static func stated(_ key: CFString, of frame: CVPixelBuffer) -> String? {
    let attachment: CFTypeRef?
    if #available(iOS 15.0, *) {
      attachment = CVBufferCopyAttachment(frame, key, nil)
    } else {
      attachment = CVBufferGetAttachment(frame, key, nil)?.takeUnretainedValue()
    }
    guard let value = attachment else { return nil }
    return value as? String ?? "that is not named"
  }

  private static func matrix(of frame: CVPixelBuffer) throws -> Matrix {
    guard let name = stated(kCVImageBufferYCbCrMatrixKey, of: frame) else { return Matrix.bt601 }
    if name == kCVImageBufferYCbCrMatrix_ITU_R_601_4 as String { return Matrix.bt601 }
    if name == kCVImageBufferYCbCrMatrix_ITU_R_709_2 as String { return Matrix.bt709 }
    throw ModelError.unknownColourMatrix(name)
  }

  private static func coloursOfBgra(_ frame: CVPixelBuffer, width: Int, height: Int) throws -> [UInt8] {
    guard let base = CVPixelBufferGetBaseAddress(frame) else { throw ModelError.unreadableImage }
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    let bytesPerRow = CVPixelBufferGetBytesPerRow(frame)
    var rgb = [UInt8](repeating: 0, count: width * height * 3)
    for y in 0..<height {
      for x in 0..<width {
        let from = y * bytesPerRow + x * 4
        let to = (y * width + x) * 3
        rgb[to] = bytes[from + 2]
        rgb[to + 1] = bytes[from + 1]
        rgb[to + 2] = bytes[from]
      }
    }
    return rgb
  }

  private static func coloursOfYCbCr(
    _ frame: CVPixelBuffer, width: Int, height: Int, fullRange: Bool
  ) throws -> [UInt8] {
    guard
      let lumaBase = CVPixelBufferGetBaseAddressOfPlane(frame, 0),
      let chromaBase = CVPixelBufferGetBaseAddressOfPlane(frame, 1)
    else { throw ModelError.unreadableImage }
    let shares = try matrix(of: frame)
    let luma = lumaBase.assumingMemoryBound(to: UInt8.self)
    let chroma = chromaBase.assumingMemoryBound(to: UInt8.self)
    let lumaRow = CVPixelBufferGetBytesPerRowOfPlane(frame, 0)
    let chromaRow = CVPixelBufferGetBytesPerRowOfPlane(frame, 1)
    let black = fullRange ? 0.0 : 16.0
    let lumaScale = fullRange ? 1.0 : 255.0 / 219.0
    let chromaScale = fullRange ? 1.0 : 255.0 / 224.0
    var rgb = [UInt8](repeating: 0, count: width * height * 3)
    for y in 0..<height {
      for x in 0..<width {
        let pair = (y / 2) * chromaRow + (x / 2) * 2
        let light = (Double(luma[y * lumaRow + x]) - black) * lumaScale
        let cb = (Double(chroma[pair]) - 128.0) * chromaScale
        let cr = (Double(chroma[pair + 1]) - 128.0) * chromaScale
        let to = (y * width + x) * 3
        rgb[to] = rounded(light + shares.redOfCr * cr)
        rgb[to + 1] = rounded(light - shares.greenOfCb * cb - shares.greenOfCr * cr)
        rgb[to + 2] = rounded(light + shares.blueOfCb * cb)
      }
    }
    return rgb
  }

  private static func rounded(_ value: Double) -> UInt8 {
    return UInt8(min(max(value, 0.0), 255.0) + 0.5)
  }

  private static func upright(
    _ rgb: [UInt8], width: Int, height: Int, orientation: CGImagePropertyOrientation
  ) -> [UInt8] {
    let turned: Bool
    switch orientation {
    case .left, .leftMirrored, .right, .rightMirrored: turned = true
    default: turned = false
    }
    let newWidth = turned ? height : width
    let newHeight = turned ? width : height
    var result = [UInt8](repeating: 0, count: rgb.count)
    for y in 0..<newHeight {
      for x in 0..<newWidth {
        let fromX: Int
        let fromY: Int
        switch orientation {
        case .upMirrored: (fromX, fromY) = (width - 1 - x, y)
        case .down: (fromX, fromY) = (width - 1 - x, height - 1 - y)
        case .downMirrored: (fromX, fromY) = (x, height - 1 - y)
        case .leftMirrored: (fromX, fromY) = (y, x)
        case .right: (fromX, fromY) = (y, height - 1 - x)
        case .rightMirrored: (fromX, fromY) = (width - 1 - y, height - 1 - x)
        case .left: (fromX, fromY) = (width - 1 - y, x)
        default: (fromX, fromY) = (x, y)
        }
        let from = (fromY * width + fromX) * 3
        let to = (y * newWidth + x) * 3
        result[to] = rgb[from]
        result[to + 1] = rgb[from + 1]
        result[to + 2] = rgb[from + 2]
      }
    }
    return pixels(rgb: result, width: newWidth, height: newHeight)
  }
}
