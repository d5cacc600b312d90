// swift-tools-version:5.9
// A Swift package of these sources. Put it beside them, and beside %%{model_file}%%{swift_labels_comment}.
//
// Google publishes TensorFlowLiteSwift and MediaPipeTasksVision for CocoaPods and as source, not as Swift packages.
// This manifest takes them as XCFrameworks that you have built or checked yourself, in the folder Frameworks; with
// CocoaPods use the Podfile instead. Leave the sources and the target of the library out that you do not use.
import PackageDescription

let package = Package(
  name: "EdgeMnv3Model",
  platforms: [.iOS(.v15)],
  products: [.library(name: "EdgeMnv3Model", targets: ["EdgeMnv3Model"])],
  targets: [
    .target(
      name: "EdgeMnv3Model",
      dependencies: [%%{spm_dependencies}],
      path: ".",
      exclude: ["Podfile", "Frameworks", "test"],
      resources: [%%{spm_resources}]),
%%{spm_targets}  ]
)
