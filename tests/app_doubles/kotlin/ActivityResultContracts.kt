package androidx.activity.result.contract

class ActivityResultContracts {
    class PickVisualMedia {
        object ImageOnly
    }
}
