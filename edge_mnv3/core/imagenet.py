"""The 1000 classes of ImageNet, as all published weights have them."""

IMAGENET_CLASSES = 1000
