import Foundation

extension Bundle {
  /// Where the model's files are: in the Swift package where this is one, in the app otherwise.
  public static var ofModel: Bundle {
    #if SWIFT_PACKAGE
      return .module
    #else
      return .main
    #endif
  }
}
