// swift-tools-version:5.9
// A Swift package of these sources. Put it beside them, and beside %%{model_file}%%{swift_labels_comment}.
//
// Google publishes TensorFlowLiteSwift for CocoaPods and as source, not as a Swift package. This manifest takes it as
// an XCFramework that you have built or checked yourself, in the folder Frameworks; with CocoaPods use the Podfile
// instead.%%{spm_left_out_comment}
import PackageDescription

let package = Package(
  name: "EdgeMnv3Model",
  platforms: [.iOS(.v15)],
  products: [.library(name: "EdgeMnv3Model", targets: ["EdgeMnv3Model"])],
  targets: [
    .target(
      name: "EdgeMnv3Model",
      dependencies: ["TensorFlowLite"],
      path: ".",
      exclude: [%%{spm_exclude}],
      resources: [%%{spm_resources}]),
    .binaryTarget(name: "TensorFlowLite", path: "Frameworks/TensorFlowLite.xcframework"),
  ]
)
