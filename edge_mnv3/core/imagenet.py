"""The 1000 classes of ImageNet, as all published weights have them."""

IMAGENET_CLASSES = 1000
BACKGROUND_OUTPUTS = IMAGENET_CLASSES + 1  # TF-Slim's files: output 0 is "background"
