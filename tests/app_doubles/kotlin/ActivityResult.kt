package androidx.activity.result

import androidx.activity.result.contract.ActivityResultContracts

class PickVisualMediaRequest(val mediaType: ActivityResultContracts.PickVisualMedia.ImageOnly)

class ActivityResultLauncher(
    @Suppress("unused") private val contract: ActivityResultContracts.PickVisualMedia,
    private val answer: () -> Unit,
) {
    fun launch(input: PickVisualMediaRequest) {
        check(input.mediaType == ActivityResultContracts.PickVisualMedia.ImageOnly)
        answer()
    }
}
