"""Whether a float file is right more often when it is fed another range of numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.input_range import COMMON_RANGES, InputRange
from edge_mnv3_quantization.validation.chance import Agreement, agreement
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.file_pair import ComparedFile
from edge_mnv3_quantization.validation.findings import BetterRange
from edge_mnv3_quantization.validation.readings import TopClasses, top_classes
from edge_mnv3_quantization.validation.running import RunSettings, run_files

_IMAGES = 100  # enough to tell a model that is fed right from one that is not


def better_range(
    file: ComparedFile,
    images: ImageSource,
    labels: Mapping[int, int],
    output: ClassComparison,
    answered: Mapping[int, int],
    settings: RunSettings,
) -> BetterRange | None:
    """Tries the other common ranges on some of the images.

    Args:
        file: The float file.
        images: The images.
        labels: Label of each image by its index.
        output: How the file's answers are read.
        answered: What the file answers first in the range that was used, by the image's index.
        settings: How the file is run.

    Returns:
        The best range, where its 95 % interval lies above that of the range that was used; else None.
    """
    every = max(1, len(labels) // _IMAGES)
    indices = sorted(labels)[::every][:_IMAGES]
    running = dataclasses.replace(settings, indices=indices)

    def right(first: Mapping[int, int]) -> Agreement | None:
        known = [index for index in indices if index in first]
        truth, given = ([of[index] for index in known] for of in (labels, first))
        return agreement(truth, given, classes=output.classes) if known else None

    def answers(fed: InputRange) -> Mapping[int, int]:
        run = run_files(
            [file.runnable._replace(input_range=fed)],
            images,
            running,
            TopClasses(output.place),
        )
        ranked = top_classes(run, class_offset=output.offsets[0])
        return {index: classes[0] for index, classes in ranked.items()}

    used = right(answered)
    best, better = None, used
    for fed in COMMON_RANGES:
        found = None if fed.is_near(file.input.range) else right(answers(fed))
        if found is not None and better is not None and found.hits > better.hits:
            best, better = fed, found
    if best is None or used is None or better is None or better.at_chance:
        return None
    if better.ci95_percent[0] <= used.ci95_percent[1]:
        return None
    return BetterRange(str(file.input), used.percent, str(best), better.percent, better.n)
