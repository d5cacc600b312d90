// As much of Gradle's, Android's and Kotlin's build language as the project's files use. What they say is noted in `said`.

package org.gradle

val said = mutableListOf<String>()

enum class JavaVersion { VERSION_17 }

enum class RepositoriesMode { FAIL_ON_PROJECT_REPOS }

class Property<T>(private val name: String) {
    fun set(value: T) {
        said += "$name $value"
    }
}

class Repositories(private val of: String) {
    fun google() = note("google")

    fun mavenCentral() = note("mavenCentral")

    fun gradlePluginPortal() = note("gradlePluginPortal")

    private fun note(name: String) {
        said += "$of $name"
    }
}

class PluginManagement {
    fun repositories(block: Repositories.() -> Unit) = Repositories("plugins of").block()
}

class DependencyResolutionManagement {
    val repositoriesMode = Property<RepositoriesMode>("repositoriesMode")

    fun repositories(block: Repositories.() -> Unit) = Repositories("libraries of").block()
}

class RootProject {
    var name = ""
        set(value) {
            said += "rootProject $value"
        }
}

class Settings {
    val rootProject = RootProject()

    fun pluginManagement(block: PluginManagement.() -> Unit) = PluginManagement().block()

    fun dependencyResolutionManagement(block: DependencyResolutionManagement.() -> Unit) =
        DependencyResolutionManagement().block()

    fun include(path: String) {
        said += "include $path"
    }
}

class Plugin {
    infix fun version(version: String) = apply { said += "version $version" }

    infix fun apply(apply: Boolean) = apply { said += "apply $apply" }
}

class Plugins {
    fun id(id: String) = Plugin().also { said += "plugin $id" }
}

class DefaultConfig {
    var applicationId: String? by Noted("applicationId")
    var minSdk: Int? by Noted("minSdk")
    var targetSdk: Int? by Noted("targetSdk")
    var versionCode: Int? by Noted("versionCode")
    var versionName: String? by Noted("versionName")
    var testInstrumentationRunner: String? by Noted("testInstrumentationRunner")
}

class CompileOptions {
    var sourceCompatibility: JavaVersion? by Noted("sourceCompatibility")
    var targetCompatibility: JavaVersion? by Noted("targetCompatibility")
}

class AndroidResources {
    val noCompress: MutableCollection<String> = mutableListOf()
}

class Android {
    var namespace: String? by Noted("namespace")
    var compileSdk: Int? by Noted("compileSdk")

    fun defaultConfig(block: DefaultConfig.() -> Unit) = DefaultConfig().block()

    fun compileOptions(block: CompileOptions.() -> Unit) = CompileOptions().block()

    fun androidResources(block: AndroidResources.() -> Unit) {
        said += "noCompress ${AndroidResources().apply(block).noCompress}"
    }
}

class CompilerOptions {
    val jvmTarget = Property<org.jetbrains.kotlin.gradle.dsl.JvmTarget>("jvmTarget")
}

class KotlinExtension {
    fun compilerOptions(block: CompilerOptions.() -> Unit) = CompilerOptions().block()
}

class Dependencies {
    fun implementation(library: String) {
        said += "implementation $library"
    }

    fun androidTestImplementation(library: String) {
        said += "androidTestImplementation $library"
    }
}

class Project {
    fun plugins(block: Plugins.() -> Unit) = Plugins().block()

    fun android(block: Android.() -> Unit) = Android().block()

    fun kotlin(block: KotlinExtension.() -> Unit) = KotlinExtension().block()

    fun dependencies(block: Dependencies.() -> Unit) = Dependencies().block()
}

class Noted<T>(private val name: String) {
    operator fun getValue(owner: Any, property: kotlin.reflect.KProperty<*>): T? = null

    operator fun setValue(owner: Any, property: kotlin.reflect.KProperty<*>, value: T?) {
        said += "$name $value"
    }
}
