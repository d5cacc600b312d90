// Lines for the build.gradle.kts of the app's module; minSdk is at least %%{min_sdk}.

android {
    // The model is mapped into memory as it lies in the package.
    androidResources { noCompress += "tflite" }
}

dependencies {
%%{gradle_dependencies}}
