"""Statistics over any images that a stage is given, in place of those of its calibration images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import ImageSample
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.calibration_statistics import UsedStatistics
from edge_mnv3.stages.float_model import FloatModel

if TYPE_CHECKING:
    from edge_mnv3_quantization.calibration.counted import CountedStatistics


def statistics_files(statistics: Sequence[AnyPath]) -> list[Path]:
    """Lists files of statistics; those of a folder in the order of their names.

    Raises:
        InputFileError: A folder has none.
    """
    from edge_mnv3_quantization.calibration.counted_files import SUFFIX, UNFINISHED_SUFFIX

    files: list[Path] = []
    for path in map(Path, statistics):
        if not path.is_dir():
            files.append(path)
            continue
        # A shard that is still being collected would be missing without a word: reading it is an error.
        inside = [file for file in sorted(path.iterdir()) if file.name.endswith((SUFFIX, UNFINISHED_SUFFIX))]
        if not inside:
            raise InputFileError(f"statistics {path}", f"a folder without {SUFFIX} files", "statistics")
        files += inside
    return files


def read_merged(statistics: Sequence[AnyPath]) -> CountedStatistics:
    """Reads and joins files of statistics.

    Args:
        statistics: Files, or folders of files, of statistics; at least one.

    Raises:
        CalibrationDataError: They are of different models or preprocessings, or count an image twice.
        InputFileError: A file is missing, damaged or not finished.
    """
    from edge_mnv3_quantization.calibration.counted import merged
    from edge_mnv3_quantization.calibration.counted_files import load_counted

    return merged([load_counted(path) for path in statistics_files(statistics)])


def read_population(statistics: Sequence[AnyPath]) -> CountedStatistics | None:
    """Reads and joins files of statistics; None where there are none. See `read_merged`."""
    return read_merged(statistics) if statistics else None


def check_population(
    population: CountedStatistics, float_model: FloatModel, sample: ImageSample
) -> tuple[str, ...]:
    """Refuses statistics that are not those of a model, and of images like those of a sample.

    Returns:
        What the user must know of them.

    Raises:
        CalibrationDataError: The network, the shape or the preprocessing is another.
    """
    from edge_mnv3_quantization.calibration.counted import check_network, merge_warnings
    from edge_mnv3_quantization.calibration.statistics import network_sha256, observed_network

    facts = population.facts
    network = observed_network(float_model.content, float_model.input_range)
    check_network(facts, network_sha256(network))
    if facts.preprocess != sample.manifest.preprocess:
        raise CalibrationDataError(
            "statistics",
            f"those of images preprocessed by {facts.preprocess}",
            f"{sample.manifest.preprocess}, as the calibration images",
            "collect and quantize with the same --preprocess",
        )
    return merge_warnings(facts)


def used_statistics(
    statistics: Sequence[AnyPath], population: CountedStatistics | None
) -> UsedStatistics | None:
    """What `quantize.json` says of statistics."""
    if population is None:
        return None
    return UsedStatistics(
        paths=tuple(str(path) for path in statistics_files(statistics)),
        sha256=population.facts.sha256,
        images=population.facts.images,
        data=population.facts.data,
    )
