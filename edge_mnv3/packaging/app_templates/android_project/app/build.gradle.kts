import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "edgemnv3.app"
    compileSdk = %%{compile_sdk}

    defaultConfig {
        applicationId = "edgemnv3.app"
        minSdk = %%{min_sdk}
        targetSdk = %%{compile_sdk}
        versionCode = 1
        versionName = "1"
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_%%{jdk}
        targetCompatibility = JavaVersion.VERSION_%%{jdk}
    }

    // The model is mapped into memory as it lies in the package.
    androidResources { noCompress += "tflite" }
}

kotlin {
    compilerOptions { jvmTarget.set(JvmTarget.JVM_%%{jdk}) }
}

dependencies {
%%{project_dependencies}}
