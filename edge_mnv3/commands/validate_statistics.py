"""The statistics of `validate` in sentences, and their details."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edge_mnv3.core.results.validate_statistics import (
        ClassTests,
        ConfidenceComparison,
        OutputStatistics,
        PairedTest,
        Share,
    )


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
        "" if share is None else f"  {_interval(share)} of top-1"
        for share in (statistics.float_top1, statistics.int8_top1)
    )
    return Intervals(float_, int8, f", {_interval(statistics.agreement)}")


def sentences(statistics: OutputStatistics | None) -> list[str]:
    """What the counts show, a line each."""
    lines: list[str] = []
    if statistics is None:
        return lines
    if statistics.difference is not None:
        lines += _difference(statistics.difference, statistics.agreement.n)
    if statistics.class_tests is not None and statistics.class_tests.changed:
        lines.append(_classes(statistics.class_tests))
    if statistics.confidence is not None:
        lines.append(_confidence(statistics.confidence))
    return lines


def details(statistics: OutputStatistics | None) -> list[str]:
    """Classes, wrong answers and flips, the most telling first."""
    lines: list[str] = []
    if statistics is None:
        return lines
    tests = statistics.class_tests
    told = () if tests is None else tuple(each for each in tests.classes if each.corrected_p_value < 1)
    if told:
        lines.append("classes that changed, by the test of each:")
        lines += [
            f"  {each.label}: {each.lost} lost, {each.won} won of {each.n}; p = {each.p_value:.2g}, "
            f"corrected {each.corrected_p_value:.2g}"
            for each in told
        ]
    if statistics.confusions:
        lines.append("wrong answers whose number changed most:")
        lines += [
            f"  {each.label} taken for {each.answer}: float {each.float_n}, int8 {each.int8_n}"
            for each in statistics.confusions
        ]
    flips = () if statistics.confidence is None else statistics.confidence.flips
    if flips:
        lines.append("changed answers, the most confident of float first:")
        for flip in flips:
            truth = "" if flip.label is None else f"label {flip.label}, "
            effect = "" if flip.effect is None else f": {flip.effect}"
            lines.append(
                f"  {flip.file}: {truth}float {flip.float_class} ({flip.float_confidence:.3f}), int8 "
                f"{flip.int8_class} ({flip.int8_confidence:.3f}){effect}"
            )
    return lines


def _interval(share: Share) -> str:
    return "95 % interval {:.2f} to {:.2f}".format(*share.ci95_percent)


def _difference(test: PairedTest, n: int) -> list[str]:
    verdict = "is shown" if test.shown else "may be chance"
    if test.shown_points is None:
        found = f"{n} images show no difference, however large"
    else:
        found = f"{n} images show one of {test.shown_points:.1f} points or more, 8 times in 10"
    sizes = [
        f"{needed.n:,} for {needed.difference_points:g}"
        for needed in test.needed
        if test.shown_points is None or needed.difference_points < test.shown_points
    ]
    more = f"; with this share of changed answers it takes {', '.join(sizes)}" if sizes else ""
    return [f"The difference of accuracy {verdict}: p = {test.p_value:.2g} ({test.test}).", f"{found}{more}."]


def _classes(tests: ClassTests) -> str:
    if not tests.tested:
        return f"Classes with changed answers: {tests.changed}, none with enough to tell that from chance."
    shown = [each for each in tests.classes if each.shown]
    names = ", ".join(f"{each.label} ({each.lost} lost, {each.won} won of {each.n})" for each in shown)
    more = f" and {tests.shown - len(shown)} more" if tests.shown > len(shown) else ""
    return f"Classes that changed beyond chance, of {tests.tested} tested: {names or 'none'}{more}."


def _confidence(confidence: ConfidenceComparison) -> str:
    shift = f"{confidence.shift_points:+.1f} points"
    if confidence.ci95_points is not None:
        shift += ", 95 % interval {:+.1f} to {:+.1f}".format(*confidence.ci95_points)
    text = (
        f"Mean probability of the answers: {confidence.float_mean_percent:.1f} % float, "
        f"{confidence.int8_mean_percent:.1f} % int8 ({shift})"
    )
    if confidence.calibration is None:
        return f"{text}."
    error = confidence.calibration
    return f"{text}; calibration error {error.float_percent:.1f} and {error.int8_percent:.1f} points."
