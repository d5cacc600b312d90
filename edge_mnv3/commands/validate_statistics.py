"""The statistics of `validate` in sentences, and their details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from edge_mnv3.core.counts import count, listed, rounded

if TYPE_CHECKING:
    from edge_mnv3.core.results.validate_statistics import (
        ClassTests,
        ConfidenceComparison,
        Confusion,
        OutputStatistics,
        PairedTest,
        Share,
    )

Names: TypeAlias = tuple[str, str]
_FILES: Names = ("float", "int8")


class Intervals(NamedTuple):
    """The intervals of an output in words, each for the end of a line; empty where there are none."""

    float_: str
    int8: str
    agreement: str


def intervals(statistics: OutputStatistics | None) -> Intervals:
    """Tells those of top-1 of both files, and of their agreement."""
    if statistics is None:
        return Intervals("", "", "")
    float_, int8 = (
        "" if share is None else f"  {interval(share)} of top-1"
        for share in (statistics.float_top1, statistics.int8_top1)
    )
    return Intervals(float_, int8, f", {interval(statistics.agreement)}")


def sentences(statistics: OutputStatistics | None) -> list[str]:
    """What the counts show, a line each."""
    if statistics is None:
        return []
    return of_parts(
        statistics.difference, statistics.agreement.n, statistics.class_tests, statistics.confidence
    )


def of_parts(
    difference: PairedTest | None,
    n: int,
    tests: ClassTests | None,
    confidence: ConfidenceComparison | None,
    names: Names = _FILES,
) -> list[str]:
    """What the counts of two models show, a line each.

    Args:
        difference: The test of their accuracies.
        n: Images.
        tests: The tests of classes.
        confidence: The probabilities of their answers.
        names: What the two are called.
    """
    lines: list[str] = []
    if difference is not None:
        lines += _difference(difference, n)
    if tests is not None and tests.changed:
        lines.append(_classes(tests))
    if confidence is not None:
        lines.append(_confidence(confidence, names))
    return lines


def details(statistics: OutputStatistics | None) -> list[str]:
    """Classes, wrong answers and flips, the most telling first."""
    if statistics is None:
        return []
    return details_of_parts(statistics.class_tests, statistics.confusions, statistics.confidence)


def details_of_parts(
    tests: ClassTests | None,
    confusions: Sequence[Confusion],
    confidence: ConfidenceComparison | None,
    names: Names = _FILES,
) -> list[str]:
    """Classes, wrong answers and flips of two models, the most telling first.

    Args:
        tests: The tests of classes.
        confusions: Wrong answers whose number changed.
        confidence: The probabilities of their answers.
        names: What the two are called.
    """
    lines: list[str] = []
    one, other = names
    told = () if tests is None else tuple(each for each in tests.classes if each.corrected_p_value < 1)
    if told:
        lines.append("classes that changed, by the test of each:")
        lines += [
            f"  {each.label}: {each.lost} lost, {each.won} won of {each.n}; p = {each.p_value:.2g}, "
            f"corrected {each.corrected_p_value:.2g}"
            for each in told
        ]
    if confusions:
        lines.append("wrong answers whose number changed most:")
        lines += [
            f"  {each.label} taken for {each.answer}: {one} {each.float_n}, {other} {each.int8_n}"
            for each in confusions
        ]
    flips = () if confidence is None else confidence.flips
    if flips:
        lines.append(f"changed answers, the most confident of {one} first:")
        for flip in flips:
            truth = "" if flip.label is None else f"label {flip.label}, "
            effect = "" if flip.effect is None else f": {flip.effect}"
            lines.append(
                f"  {flip.file}: {truth}{one} {flip.float_class} ({flip.float_confidence:.3f}), {other} "
                f"{flip.int8_class} ({flip.int8_confidence:.3f}){effect}"
            )
    return lines


def interval(share: Share) -> str:
    """The interval of a share in words."""
    return "95 % interval {:.2f} to {:.2f}".format(*share.ci95_percent)


def _difference(test: PairedTest, n: int) -> list[str]:
    verdict = "is shown" if test.shown else "may be chance"
    verdict = f"The difference of accuracy {verdict}: p = {test.p_value:.2g} ({test.test})."
    if test.lost == test.won == 0:
        verdict = "Both have the same images right."
    if test.shown_points is None:
        found = f"{count(n, 'image is', 'images are')} too few to show a difference of any size"
    else:
        size = f"a difference of {test.shown_points:.1f} points or more"
        found = f"With {count(n, 'image')}, {size} is found 8 times in 10"
    sizes = listed([each.text for each in test.smaller])
    more = f"; it takes {sizes}" if sizes else ""
    return [verdict, f"{found}{more}."]


def _classes(tests: ClassTests) -> str:
    if not tests.tested:
        return f"Classes with changed answers: {tests.changed}, none with enough to tell that from chance."
    shown = [each for each in tests.classes if each.shown]
    names = ", ".join(f"{each.label} ({each.lost} lost, {each.won} won of {each.n})" for each in shown)
    more = f" and {tests.shown - len(shown)} more" if tests.shown > len(shown) else ""
    return f"Classes that changed beyond chance, of {tests.tested} tested: {names or 'none'}{more}."


def _confidence(confidence: ConfidenceComparison, names: Names) -> str:
    shift = f"{rounded(confidence.shift_points, 2):+.2f} points"
    if confidence.ci95_points is not None:
        low, high = (rounded(end, 2) for end in confidence.ci95_points)
        shift += f", 95 % interval {low:+.2f} to {high:+.2f}"
    text = (
        f"Mean probability of the answers: {confidence.float_mean_percent:.2f} % {names[0]}, "
        f"{confidence.int8_mean_percent:.2f} % {names[1]} ({shift})"
    )
    if confidence.calibration is None:
        return f"{text}."
    error = confidence.calibration
    return f"{text}; calibration error {error.float_percent:.2f} and {error.int8_percent:.2f} points."
