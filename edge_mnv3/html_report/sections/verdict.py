"""What the results say of the int8 file, in a sentence, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.html_report.blocks import Notice
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.sections.gates import failed_gates, failure
from edge_mnv3.html_report.sections.scores import Score, scores_of, statistics_of
from edge_mnv3.html_report.words import plain, signed, signed_between

# A loss is called small where the 95 % interval leaves at most this many percentage points of it.
SMALL_LOSS_POINTS = 1.0
# So many images tell nothing where the interval leaves more than this many points of loss open.
OPEN_LOSS_POINTS = 5.0


def verdict(gathered: Gathered) -> Notice:
    """The sentence, the gravest thing first."""
    made, result = gathered.quantize, gathered.validation
    if made is not None and not made.checks.passed:
        return Notice(
            tone="bad",
            text=f"Do not ship the int8 file: it fails a check. {_sentence(made.checks.problems[0])}",
            command=_diagnose(gathered),
        )
    if gathered.diagnosis is not None and gathered.diagnosis.xnnpack_problem is not None:
        return Notice(
            tone="bad",
            text="Do not ship the int8 file: it does not load under XNNPACK, the default on phones. "
            f"{_sentence(gathered.diagnosis.xnnpack_problem)}",
        )
    failed = () if gathered.run is None else failed_gates(gathered.run)
    if failed:
        several = f"{len(failed)} gates of the run failed" if len(failed) > 1 else "A gate of the run failed"
        return Notice(
            tone="bad",
            text=f"{several}: {_sentence('; '.join(failure(gate) for gate in failed))}",
            command=_diagnose(gathered),
        )
    if result is None:
        return Notice(
            tone="unsure",
            text="Nothing is known of the int8 file's accuracy: no result of validate is of this pair.",
            command=validate_command(gathered),
        )
    return _of_validation(gathered, result)


def _of_validation(gathered: Gathered, result: ValidateResult) -> Notice:
    grave = next((finding for finding in result.findings if finding.fails_gate), None)
    if grave is not None:
        return Notice(
            tone="bad",
            text=f"Do not ship the int8 file on this comparison: {_sentence(grave.text)}",
        )
    if result.gate is not None and not result.gate.passed:
        problems = "; ".join(result.gate.problems) or (
            f"it loses {plain(result.gate.drop_points, 2)} points, of {result.gate.max_drop_points:g} allowed"
        )
        return Notice(
            tone="bad",
            text=f"The gate of validate failed: {_sentence(problems)}",
            command=_diagnose(gathered),
        )
    scores = scores_of(result)
    if not scores:
        return _of_similarity(result)
    firsts = _firsts(scores)
    # What is surely lost goes before what is open, however far that may reach.
    worst = min([score for score in firsts if _is_lost(score)] or firsts, key=_lowest)
    if worst.ci95_points is None:
        return Notice(
            tone="unsure", text=f"int8 less float: {signed(worst.points)} points, without interval."
        )
    return _of_score(gathered, result, worst, worst.ci95_points)


def _firsts(scores: Sequence[Score]) -> list[Score]:
    """The first figure of each output: the one that a gate looks at."""
    return list({score.output: score for score in reversed(scores)}.values())


def _is_lost(score: Score) -> bool:
    """Whether more is lost than is small, and not by chance."""
    interval = score.ci95_points
    return interval is not None and interval[1] < 0 and interval[0] < -SMALL_LOSS_POINTS


def _lowest(score: Score) -> float:
    """The largest loss that is left open."""
    return score.points if score.ci95_points is None else score.ci95_points[0]


def _of_score(
    gathered: Gathered, result: ValidateResult, score: Score, interval: tuple[float, float]
) -> Notice:
    several = f" of {score.output}" if len(result.outputs) > 1 else ""
    figures = (
        f"{score.name}{several} changes by {signed(score.points)} points, 95\N{NO-BREAK SPACE}% interval "
        f"{signed_between(*interval)}, on {count(result.n, 'image')}"
    )
    lowest, highest = interval
    if lowest >= -SMALL_LOSS_POINTS:
        return Notice(tone="good", text=f"Good: the int8 file keeps what the float file knows; {figures}.")
    if highest < 0:
        return Notice(
            tone="bad",
            text=f"The int8 file loses accuracy, more than chance explains: {figures}. "
            f"{_cure(gathered)}".rstrip(),
            command="" if gathered.diagnosis else _diagnose(gathered),
        )
    needed = _needed(result, score.output)
    if lowest < -OPEN_LOSS_POINTS:
        return Notice(
            tone="unsure",
            text=f"Not decided: too few images to tell whether anything is lost; {figures}.{needed}",
        )
    return Notice(
        tone="unsure",
        text=f"No loss is proven, but a loss of up to {plain(-lowest, 2)} points is possible; "
        f"{figures}.{needed}",
    )


def _needed(result: ValidateResult, output: str) -> str:
    """How many images it would take to tell a small loss."""
    statistics = statistics_of(result, output) if result.outputs else None
    if statistics is None or statistics.difference is None:
        return ""
    for size in statistics.difference.needed:
        if size.difference_points == SMALL_LOSS_POINTS and size.n > result.n:
            return (
                f" To find a loss of {size.difference_points:g} point, compare on {count(size.n, 'image')}."
            )
    return ""


def _of_similarity(result: ValidateResult) -> Notice:
    """Of outputs without labels: how alike they are, without a judgement that no label supports."""
    for output in result.outputs:
        if output.similarity is not None:
            similarity = output.similarity
            return Notice(
                tone="unsure",
                text=f"The outputs {output.output.name} of both files have a cosine of "
                f"{similarity.cosine_mean:.4f} on average and of {similarity.cosine_least:.4f} at "
                f"least, on {count(result.n, 'image')}; what they are used for decides whether that will do.",
            )
    agreement = result.agreement_percent
    known = "" if agreement is None else f"Both files answer {agreement:.2f} % of the images alike. "
    return Notice(
        tone="unsure",
        text=f"{known}Without labels nothing tells which of the two is right.",
    )


def _cure(gathered: Gathered) -> str:
    """What diagnose would do about the most expensive tensor that it knows a cure for."""
    if gathered.diagnosis is None:
        return ""
    suggestions = [cost.suggestion for cost in gathered.diagnosis.costs if cost.suggestion]
    return f"To try first: {_sentence(suggestions[0])}" if suggestions else ""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _diagnose(gathered: Gathered) -> str:
    return "" if gathered.diagnosis else diagnose_command(gathered)


def pair_options(gathered: Gathered) -> str:
    """The two files as options of a command."""
    subject = gathered.subject
    return f"--float {shlex.quote(subject.float_path)} --int8 {shlex.quote(subject.int8_path)}"


def validate_command(gathered: Gathered) -> str:
    """The command that would compare the pair."""
    return f"edge-mnv3 validate {pair_options(gathered)} --data IMAGES --json > validate.json"


def diagnose_command(gathered: Gathered, again: DiagnoseResult | None = None) -> str:
    """The command that would diagnose the pair, on the images of a diagnosis where one is given."""
    images = "" if again is None else f"--images {shlex.quote(again.images)} --samples {again.n} "
    return f"edge-mnv3 diagnose {pair_options(gathered)} {images}-o diagnose.json"


def bench_command(gathered: Gathered) -> str:
    """The command that would measure the pair on this machine."""
    subject = gathered.subject
    files = f"{shlex.quote(subject.float_path)} {shlex.quote(subject.int8_path)}"
    return f"edge-mnv3 bench --host {files} -o bench.json"
