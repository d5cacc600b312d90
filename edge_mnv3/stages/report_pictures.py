"""Pictures for the page, read again from where they lay, and checked to be the ones that were used."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.image_marks import images_sha256
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.pictures import FLIP_SIDE_PX, SHEET_SIDE_PX, Pictures, as_address
from edge_mnv3.html_report.sections.flips import shown_images
from edge_mnv3.stages.validated_images import read_images

SHEET_IMAGES = 48  # of the calibration images


def pictures(gathered: Gathered, data: AnyPath | None, reporter: Reporter) -> Pictures:
    """Reads the pictures of changed answers and a part of the calibration images; none where they are gone.

    Args:
        gathered: The results.
        data: Where the validated images lie now; None for where they lay then.
        reporter: Told of progress.
    """
    validated: dict[str, str] = {}
    note, sure = "", False
    if gathered.validation is not None:
        reporter.step("reading pictures of changed answers")
        validated, note, sure = _validated(gathered.validation, data)
    sheet: tuple[tuple[str, str], ...] = ()
    sheet_note = ""
    if gathered.quantize is not None:
        reporter.step("reading calibration images")
        sheet, sheet_note = _calibration(gathered, gathered.quantize)
    return Pictures(
        validated=validated,
        validated_note=note,
        validated_sure=sure,
        calibration=sheet,
        calibration_note=sheet_note,
    )


def _validated(result: ValidateResult, data: AnyPath | None) -> tuple[dict[str, str], str, bool]:
    """The pictures by their names, how they were checked, and whether that makes sure."""
    from edge_mnv3_calibration_data.source_kinds import open_images

    wanted = shown_images(result)
    if not wanted:
        return {}, "", True
    location = result.data if data is None else data
    if result.image_shape is None:
        return {}, "The pictures are not shown: the result does not tell what the model takes.", False
    elsewhere = "--data tells where the images lie now."
    try:
        source = open_images(location)
        problem = "" if result.image_sha256 else _unlike(source, result)
    except EdgeMnv3Error as error:
        problem = str(error)
    if problem:
        return {}, f"The pictures are not shown: {problem}. {elsewhere}", False
    made: dict[str, str] = {}
    others: list[str] = []
    for image in read_images(result, source, wanted):
        known = result.image_sha256.get(image.name)
        if image.pixels is None or (known is not None and known != image.sha256):
            others.append(image.name)
        else:
            made[image.name] = as_address(image.pixels, side_px=FLIP_SIDE_PX)
    return made, *_checked(result, made, others)


def _checked(result: ValidateResult, made: dict[str, str], others: list[str]) -> tuple[str, bool]:
    """Says how the pictures were checked, and whether that makes sure."""
    sure = all(name in result.image_sha256 for name in made)
    note = (
        "Each picture has the SHA-256 of the image that was compared."
        if sure
        else "The pictures have the names and labels of the images that were compared; this result does not "
        "record their bytes, so they may have been changed since."
    )
    if others:
        gone = (
            f"{len(others)} of {len(others) + len(made)} pictures are not shown: the images cannot be read "
        )
        note = f"{gone}now, or are others than those that were compared. {note if made else ''}".strip()
    return note, sure and not others


def _unlike(source: ImageSource, result: ValidateResult) -> str:
    """Why the images cannot be those that were compared; empty where nothing speaks against it."""
    skipped = {each.file for each in result.skipped}
    kept = [place for place in range(source.available or 0) if source.name(place) not in skipped]
    if len(kept) != result.n:
        return f"{source.description} has {len(kept)} images now, and {result.n} were compared"
    labels = [source.label(place) for place in kept]
    known = [label for label in labels if label is not None]
    if result.image_answers is None or len(known) != len(labels):
        return ""
    if images_sha256([source.name(place) for place in kept], known) != result.image_answers.sha256:
        return f"names or labels of {source.description} are others than those that were compared"
    return ""


def _calibration(gathered: Gathered, made: QuantizeResult) -> tuple[tuple[tuple[str, str], ...], str]:
    """Some of the calibration images, evenly spread; each is checked against its hash when it is read."""
    from edge_mnv3_calibration_data.source_kinds import open_images

    manifest = made.calibration
    files = [each.path for each in gathered.read if each.result == made]
    if not files:
        return (), "The images are not shown: that takes the file quantize.json, which names them."
    try:
        source = open_images(files[0])
    except EdgeMnv3Error as error:
        return (), f"The images are not shown: {error}"
    count = len(manifest.images)
    chosen = _spread(count)
    sheet, problems = [], []
    for place in chosen:
        try:
            pixels = source.load(place, shape=manifest.input_shape, preprocess=manifest.preprocess)
        except EdgeMnv3Error as error:
            problems.append(str(error))
            continue
        sheet.append((manifest.images[place].file, as_address(pixels, side_px=SHEET_SIDE_PX)))
    if problems:
        return tuple(sheet), f"{len(problems)} of {len(chosen)} images are not shown: {problems[0]}"
    return tuple(sheet), "Each picture has the SHA-256 that quantize.json recorded."


def _spread(count: int) -> Sequence[int]:
    shown = min(count, SHEET_IMAGES)
    return [place * count // shown for place in range(shown)]
