"""Labels that are synsets: numbered as ImageNet's 1000 classes where the model has these."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.imagenet import IMAGENET_CLASSES, class_of_synset, synset_in


def numbered_by_synset(
    texts: Sequence[str | None], *, classes: int, folders: Sequence[str]
) -> list[int] | None:
    """Numbers labels by their synsets.

    Class folders of some of ImageNet's classes are not numbered by their own order, which would be another
    one than that of a model of all 1000.

    Args:
        texts: The names of the images' classes.
        classes: How many the model has.
        folders: Names of the class folders, where there are such.

    Returns:
        Classes, 0 to 999; None where labels are no synsets, or the order of the folders is the model's.

    Raises:
        CalibrationDataError: There are fewer or more class folders than classes, and these are not
            ImageNet's.
    """
    if not texts or not all(text is not None and synset_in(text) == text for text in texts):
        return None
    names = [text for text in texts if text is not None]
    known = class_of_synset()
    if classes == IMAGENET_CLASSES and all(name in known for name in names):
        return [known[name] for name in names]
    if len(folders) == classes:
        return None
    if not folders:
        return None
    raise CalibrationDataError(
        "labels that are synsets",
        f"{len(folders)} class folders (such as {folders[0]})",
        f"{classes}, as many as the models have classes, or some of ImageNet's 1000 for a model of these",
        "give the names of the outputs with --labels",
    )
