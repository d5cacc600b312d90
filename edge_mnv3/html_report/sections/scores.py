"""The figures of accuracy of a comparison, one form for all its versions and kinds of outputs."""

from __future__ import annotations

from typing import NamedTuple

from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3.core.results.validate import OutputComparison, ValidateResult
from edge_mnv3.core.results.validate_statistics import OutputStatistics


class Score(NamedTuple):
    """A figure of both files, the higher the better.

    Attributes:
        output: Name of the output; empty in results of version 1, which know one.
        name: Such as `top-1`.
        float_percent: The float file's.
        float_ci95: Its 95 % interval; None where none is known.
        int8_percent: The int8 file's.
        int8_ci95: Its 95 % interval; None where none is known.
        points: int8 less float.
        ci95_points: The 95 % interval of the difference; None where none is known.
    """

    output: str
    name: str
    float_percent: float
    float_ci95: tuple[float, float] | None
    int8_percent: float
    int8_ci95: tuple[float, float] | None
    points: float
    ci95_points: tuple[float, float] | None


def statistics_of(result: ValidateResult, output: str) -> OutputStatistics | None:
    """The statistics of an output; None where there are none, as in results of earlier releases."""
    return next((each for each in result.statistics if each.output == output), None)


def scores_of(result: ValidateResult) -> tuple[Score, ...]:
    """All figures of accuracy, output by output; none without labels."""
    if not result.outputs:
        return _first_version(result)
    return tuple(
        score for output in result.outputs for score in (*_scores(result, output), *_top5(result, output))
    )


def _scores(result: ValidateResult, compared: OutputComparison) -> list[Score]:
    statistics = statistics_of(result, compared.output.name)
    made = []
    for score in compared.scores:
        both: tuple[tuple[float, float] | None, ...] = (None, None)
        if score.name == "top-1":
            both = tuple(_wilson(percent, result.n) for percent in (score.float_percent, score.int8_percent))
        elif (
            statistics and statistics.float_top1 and statistics.int8_top1 and score.name == "accuracy at 0.5"
        ):
            both = (statistics.float_top1.ci95_percent, statistics.int8_top1.ci95_percent)
        made.append(
            Score(
                compared.output.name,
                score.name,
                score.float_percent,
                both[0],
                score.int8_percent,
                both[1],
                score.difference_points,
                score.ci95_points,
            )
        )
    return made


def _top5(result: ValidateResult, compared: OutputComparison) -> list[Score]:
    """Top-5, which stands apart from the other figures."""
    name = compared.output.name
    statistics = statistics_of(result, name)
    if statistics and statistics.float_top5 and statistics.int8_top5:
        pair = (statistics.float_top5.percent, statistics.int8_top5.percent)
    elif result.figures is not None and any(score.name == "top-1" for score in compared.scores):
        pair = (result.figures.float_top5_percent, result.figures.int8_top5_percent)
    else:
        return []
    return [_share(name, "top-5", pair, result.n)]


def _share(output: str, name: str, pair: tuple[float, float], n: int) -> Score:
    difference = pair[1] - pair[0]
    return Score(output, name, pair[0], _wilson(pair[0], n), pair[1], _wilson(pair[1], n), difference, None)


def _first_version(result: ValidateResult) -> tuple[Score, ...]:
    figures = result.figures
    if figures is None:
        return ()
    top1 = _share("", "top-1", (figures.float_top1_percent, figures.int8_top1_percent), result.n)
    top5 = _share("", "top-5", (figures.float_top5_percent, figures.int8_top5_percent), result.n)
    return (top1._replace(points=figures.delta.top1_points, ci95_points=figures.delta.ci95_points), top5)


def _wilson(percent: float, n: int) -> tuple[float, float]:
    return wilson_percent(round(percent * n / 100), n)
