plugins {
    id("com.android.application") version "%%{agp}" apply false
    id("org.jetbrains.kotlin.android") version "%%{kotlin}" apply false
}
