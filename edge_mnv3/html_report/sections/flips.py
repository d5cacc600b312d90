"""The answers that int8 changed, with their pictures."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.results.validate_statistics import Flip
from edge_mnv3.html_report.blocks import Block, Gallery, Notice, Picture, Section, Text, Tone, absent
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.names import ClassNames
from edge_mnv3.html_report.pictures import Pictures
from edge_mnv3.html_report.sections.verdict import validate_command
from edge_mnv3.html_report.words import percent, plain

KEY, TITLE = "changed-answers", "Changed answers"
_TONES: dict[str | None, Tone] = {"lost": "bad", "won": "good", "neither": "plain", None: "plain"}
_EFFECTS = {"lost": "Lost", "won": "Won", "neither": "Both wrong", None: "Changed"}


def flips_of(result: ValidateResult) -> tuple[str, tuple[Flip, ...]]:
    """The first output with changed answers, and these, the most confident of float first."""
    for statistics in result.statistics:
        if statistics.confidence is not None and statistics.confidence.flips:
            return statistics.output, statistics.confidence.flips
    return "", ()


def shown_images(result: ValidateResult) -> tuple[str, ...]:
    """Names of the images that the section shows, in its order."""
    _, flips = flips_of(result)
    names = [flip.file for flip in flips] if flips else [worst.file for worst in result.worst]
    return tuple(dict.fromkeys(names))


def flips(gathered: Gathered, names: ClassNames, pictures: Pictures) -> Section:
    """The gallery, and how sure it is that the pictures are the ones that were compared."""
    result = gathered.validation
    if result is None:
        return absent(KEY, TITLE, "No answers were compared.", validate_command(gathered))
    output, changed = flips_of(result)
    # Of several outputs nothing tells which one `worst` is of.
    names = names.of_output(output) if changed or len(result.outputs) < 2 else ClassNames()
    shown = _of_flips(changed, names, pictures) or _of_worst(result, names, pictures)
    if not shown:
        return Section(key=KEY, title=TITLE, blocks=(Text(text=_none(result)),))
    blocks: list[Block] = []
    if pictures.validated_note:
        blocks.append(
            Notice(tone="plain" if pictures.validated_sure else "unsure", text=pictures.validated_note)
        )
    if not names.names:
        blocks.append(
            Notice(
                tone="plain",
                text="Classes have numbers here: no result tells their names. Give them with --labels FILE, "
                "one a line, or --labels imagenet.",
            )
        )
    else:
        blocks.append(Text(text=f"Names of classes: {names.source}."))
    of = _changed(result, output)
    number = f"{len(shown)} of {count(of, 'image')}" if of > len(shown) else count(len(shown), "image")
    caption = f"{number} on which the two files give different answers, as the model "
    caption += "sees them; those of which the float file was most certain come first"
    blocks.append(Gallery(caption=caption, pictures=shown))
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _changed(result: ValidateResult, output: str) -> int:
    """How many images have changed answers of an output, as far as that is known."""
    alike = next((each.agreement for each in result.statistics if each.output == output), None)
    return 0 if alike is None else alike.n - alike.hits


def _none(result: ValidateResult) -> str:
    if any(output.output.task in ("classes", "binary") for output in result.outputs) or not result.outputs:
        return f"Both files give each of the {count(result.n, 'image')} the same answer."
    return "The outputs are no answers of one class, so that none can change."


def _of_flips(flips: Sequence[Flip], names: ClassNames, pictures: Pictures) -> tuple[Picture, ...]:
    made = []
    for flip in flips:
        answers = f"float {names.of(flip.float_class)}, int8 {names.of(flip.int8_class)}"
        label = () if flip.label is None else (f"Label: {names.of(flip.label)}",)
        made.append(
            Picture(
                source=pictures.validated.get(flip.file, ""),
                alt=f"{flip.file}: {answers}",
                lines=(
                    _EFFECTS[flip.effect],
                    f"float: {names.of(flip.float_class)}, {percent(100 * flip.float_confidence, 1)}",
                    f"int8: {names.of(flip.int8_class)}, {percent(100 * flip.int8_confidence, 1)}",
                    *label,
                    flip.file,
                ),
                tone=_TONES[flip.effect],
            )
        )
    return tuple(made)


def _of_worst(result: ValidateResult, names: ClassNames, pictures: Pictures) -> tuple[Picture, ...]:
    """Of results without probabilities, or of earlier releases."""
    made = []
    for worst in result.worst:
        effect = "neither"
        if worst.label in (worst.float_class, worst.int8_class):
            effect = "lost" if worst.label == worst.float_class else "won"
        made.append(
            Picture(
                source=pictures.validated.get(worst.file, ""),
                alt=f"{worst.file}: float {names.of(worst.float_class)}, int8 {names.of(worst.int8_class)}",
                lines=(
                    _EFFECTS[effect],
                    f"float: {names.of(worst.float_class)}, by {plain(worst.float_margin, 3)}",
                    f"int8: {names.of(worst.int8_class)}",
                    f"Label: {names.of(worst.label)}",
                    worst.file,
                ),
                tone=_TONES[effect],
            )
        )
    return tuple(made)
