package android.annotation

/** Android's lint lets a function that has it call what came with that level. */
@Target(AnnotationTarget.CLASS, AnnotationTarget.FUNCTION, AnnotationTarget.CONSTRUCTOR)
@Retention(AnnotationRetention.BINARY)
annotation class TargetApi(val value: Int)
