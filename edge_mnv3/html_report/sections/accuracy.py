"""The accuracy: of each output, by class, and how sure the answers are."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.counts import count, listed
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.results.validate_statistics import ConfidenceComparison, OutputStatistics, PairedTest
from edge_mnv3.html_report.blocks import (
    Bar,
    Block,
    Facts,
    Intervals,
    Mark,
    Section,
    Table,
    Text,
    absent,
    columns,
    ends,
    number,
    row,
)
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.names import ClassNames
from edge_mnv3.html_report.sections.scores import Score, scores_of
from edge_mnv3.html_report.sections.verdict import validate_command
from edge_mnv3.html_report.words import (
    NONE,
    axis,
    percent,
    plain,
    points,
    share,
    signed,
    signed_between,
)

KEY, TITLE = "accuracy", "Accuracy"


def accuracy(gathered: Gathered, names: ClassNames) -> Section:
    """Figures with intervals, tests, classes, confidence, and the other comparisons of the pair."""
    result = gathered.validation
    if result is None:
        return absent(KEY, TITLE, "No accuracy was measured.", validate_command(gathered))
    scores = scores_of(result)
    blocks: list[Block] = [Text(text=_where(result))]
    if scores:
        several = len(result.outputs) > 1
        blocks += [_drawn(scores, result), _table(scores, several=several)]
    blocks += _similar(result)
    for statistics in result.statistics:
        blocks += _tests(statistics, several=len(result.statistics) > 1)
    blocks += _classes(result, names)
    for statistics in result.statistics:
        if statistics.confidence is not None:
            blocks.append(_confidence(statistics.confidence))
    if result.skipped:
        blocks.append(_skipped(result))
    if len(gathered.validations) > 1:
        blocks.append(_others(gathered.validations))
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _where(result: ValidateResult) -> str:
    gate = ""
    if result.gate is not None:
        most = points(result.gate.max_drop_points)
        gate = (
            f" The gate {'passed' if result.gate.passed else 'failed'}: it allows a loss of at most {most}."
        )
    return (
        f"Both files ran on the same {count(result.n, 'image')} of {result.data}, preprocessed by "
        f"{result.preprocess}, under {result.runtime}.{gate}"
    )


def _drawn(scores: Sequence[Score], result: ValidateResult) -> Intervals:
    several = len(result.outputs) > 1
    values = [
        value
        for score in scores
        for value in (
            score.float_percent,
            score.int8_percent,
            *(score.float_ci95 or ()),
            *(score.int8_ci95 or ()),
        )
    ]
    low, high = ends(values)
    low, high = max(0.0, low - 0.05 * (high - low)), min(100.0, high + 0.05 * (high - low))
    marks = []
    for score in scores:
        name = f"{score.output} {score.name}" if several else score.name
        both = (
            ("float", score.float_percent, score.float_ci95),
            ("int8", score.int8_percent, score.int8_ci95),
        )
        for file, value, interval in both:
            ends_of = interval or (value, value)
            marks.append(
                Mark(
                    label=f"{name}, {file}",
                    text=percent(value),
                    at_percent=share(value, low, high),
                    low_percent=share(ends_of[0], low, high),
                    high_percent=share(ends_of[1], low, high),
                    tone="plain" if file == "float" else "good",
                )
            )
    caption = (
        "Accuracy in percent, with 95\N{NO-BREAK SPACE}% intervals. Each file's interval is of that file "
    )
    caption += (
        "alone: the two ran on the same images, so the difference is more certain than the intervals suggest."
    )
    return Intervals(caption=caption, marks=tuple(marks), ticks=axis(low, high))


def _table(scores: Sequence[Score], *, several: bool) -> Table:
    rows = []
    for score in scores:
        rows.append(
            row(
                f"{score.output} {score.name}" if several else score.name,
                number(score.float_percent, percent(score.float_percent)),
                number(score.int8_percent, percent(score.int8_percent)),
                number(score.points, f"{signed(score.points)} points"),
                NONE if score.ci95_points is None else signed_between(*score.ci95_points),
            )
        )
    return Table(
        caption="Accuracy of each output",
        columns=columns("Figure", "#float", "#int8", "#Difference", "#95\N{NO-BREAK SPACE}% interval"),
        rows=tuple(rows),
    )


def _similar(result: ValidateResult) -> list[Block]:
    rows = []
    for output in result.outputs:
        similar = output.similarity
        if similar is not None:
            rows.append(
                row(
                    output.output.name,
                    number(similar.cosine_mean, plain(similar.cosine_mean, 4)),
                    number(similar.cosine_least, f"{plain(similar.cosine_least, 4)} ({similar.least_file})"),
                    number(similar.snr_db, plain(similar.snr_db)),
                    number(similar.neighbour_agreement_percent, percent(similar.neighbour_agreement_percent)),
                )
            )
    titles = ("Output", "#Cosine, mean", "Least cosine", "#Signal to noise, dB", "#Same nearest neighbour")
    table = Table(caption="How alike the outputs are", columns=columns(*titles), rows=tuple(rows))
    return [table] if rows else []


def _tests(statistics: OutputStatistics, *, several: bool) -> list[Block]:
    """What chance may explain, in sentences."""
    difference = statistics.difference
    if difference is None:
        return []
    of = f" of {statistics.output}" if several else ""
    if not difference.lost and not difference.won:
        return [Text(text=f"Both files have the same images{of} right. {_power(difference)}")]
    told = (
        f"int8 has {count(difference.lost, 'image')}{of} wrong that float has right, and "
        f"{count(difference.won, 'image')} right that float has wrong. "
        f"{'That is more than chance' if difference.shown else 'That may be chance'}: "
        f"p = {difference.p_value:.2g} ({difference.test})."
    )
    return [Text(text=f"{told} {_power(difference)}".strip())]


def _power(difference: PairedTest) -> str:
    if difference.shown_points is None:
        return "These are too few images to show a difference of any size."
    shown = (
        f"With so many images, a difference of {difference.shown_points:.1f} points or more is found 8 times "
        "in 10"
    )
    needed = listed([each.text for each in difference.smaller])
    return f"{shown}; it takes {needed}." if needed else f"{shown}."


def _classes(result: ValidateResult, names: ClassNames) -> list[Block]:
    """The classes that changed, and the confusions; of the first output, whose classes the names are."""
    statistics = next((each for each in result.statistics if each.class_tests is not None), None)
    if statistics is None or statistics.class_tests is None:
        return _losses(result, names)
    tests = statistics.class_tests
    names = names.of_output(statistics.output)
    if not tests.classes:
        return [Text(text="No class has other images right in int8 than in float.")]
    rows = [
        row(
            names.of(each.label),
            number(each.n, f"{each.n:,}"),
            number(each.lost, str(each.lost), bar=_bar(each.lost, each.n, lost=True)),
            number(each.won, str(each.won), bar=_bar(each.won, each.n, lost=False)),
            number(each.corrected_p_value, f"{each.corrected_p_value:.2g}"),
            "more than chance" if each.shown else "may be chance",
        )
        for each in tests.classes
    ]
    shown = f"{tests.shown} by more than chance" if tests.shown else "none by more than chance explains"
    text = f"{count(tests.changed, 'class has', 'classes have')} changed answers, {shown} ({tests.test})."
    titles = ("Class", "#Images", "#Lost", "#Won", "#p, corrected", "Verdict")
    caption = (
        f"Classes that changed most ({len(rows)} of {tests.changed}); bars are shares of the class's images"
    )
    blocks: list[Block] = [
        Text(text=text),
        Table(caption=caption, columns=columns(*titles), rows=tuple(rows)),
    ]
    return [*blocks, *_confusions(statistics, names)]


def _bar(value: int, n: int, *, lost: bool) -> Bar:
    """The share of the class's images."""
    return Bar(start_percent=0, end_percent=share(value, 0, max(1, n)), tone="bad" if lost else "good")


def _losses(result: ValidateResult, names: ClassNames) -> list[Block]:
    """Of results of earlier releases, which list losses only."""
    if not result.per_class_losses:
        return []
    rows = tuple(
        row(
            names.of(each.label),
            number(each.n, f"{each.n:,}"),
            number(each.float_correct, str(each.float_correct)),
            number(each.int8_correct, str(each.int8_correct)),
        )
        for each in result.per_class_losses
    )
    titles = ("Class", "#Images", "#Right in float", "#Right in int8")
    return [Table(caption="Classes that int8 has right less often", columns=columns(*titles), rows=rows)]


def _confusions(statistics: OutputStatistics, names: ClassNames) -> list[Block]:
    if not statistics.confusions:
        return []
    rows = tuple(
        row(
            names.of(each.label),
            names.of(each.answer),
            number(each.float_n, str(each.float_n)),
            number(each.int8_n, str(each.int8_n)),
        )
        for each in statistics.confusions
    )
    titles = ("Class", "Wrong answer", "#Times, float", "#Times, int8")
    caption = "Wrong answers whose number changed most"
    return [Table(caption=caption, columns=columns(*titles), rows=rows, folded=True)]


def _confidence(confidence: ConfidenceComparison) -> Facts:
    shift = f"{signed(confidence.shift_points)} points"
    if confidence.ci95_points is not None:
        shift += f", 95 % interval {signed_between(*confidence.ci95_points)}"
    rows = [
        (
            "Mean probability of the answers",
            f"{percent(confidence.float_mean_percent)} float, "
            f"{percent(confidence.int8_mean_percent)} int8 ({shift})",
        )
    ]
    error = confidence.calibration
    if error is not None:
        change = f"{signed(error.difference_points)} points"
        if error.ci95_points is not None:
            change += f", 95 % interval {signed_between(*error.ci95_points)}"
        rows.append(
            (
                "Expected calibration error",
                f"{plain(error.float_percent, 2)} points float, {plain(error.int8_percent, 2)} points int8 "
                f"({change})",
            )
        )
    return Facts(rows=tuple(rows))


def _skipped(result: ValidateResult) -> Table:
    rows = tuple(row(each.file, each.reason) for each in result.skipped)
    caption = f"{count(len(rows), 'image')} that could not be read"
    return Table(caption=caption, columns=columns("Image", "Why"), rows=rows, folded=True)


def _others(validations: Sequence[ValidateResult]) -> Table:
    """All comparisons of the pair: the sections show the one on most images."""
    rows = []
    for result in validations:
        first = next(iter(scores_of(result)), None)
        figures = (
            (percent(first.float_percent), percent(first.int8_percent), signed(first.points))
            if first
            else (NONE,) * 3
        )
        interval = first.ci95_points if first else None
        rows.append(
            row(
                result.data,
                number(result.n, f"{result.n:,}"),
                first.name if first else NONE,
                *figures,
                NONE if interval is None else signed_between(*interval),
            )
        )
    return Table(
        caption="All comparisons of this pair; the page shows the one on most images",
        columns=columns(
            "Images", "#Number", "Figure", "#float", "#int8", "#Points", "#95\N{NO-BREAK SPACE}% interval"
        ),
        rows=tuple(rows),
    )
