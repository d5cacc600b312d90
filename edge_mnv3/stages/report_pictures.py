"""Pictures for the page, read again from where they lay, and checked to be the ones that were used."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.image_marks import images_sha256
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.pictures import FLIP_SIDE_PX, SHEET_SIDE_PX, Pictures, as_address
from edge_mnv3.html_report.sections.flips import shown_images

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
    shape = _shape(result)
    if shape is None:
        return {}, "The pictures are not shown: the result does not tell what the model takes.", False
    try:
        source = open_images(location)
        places = {source.name(place): place for place in range(source.available or 0)}
    except EdgeMnv3Error as error:
        return {}, f"The pictures are not shown: {error}. --data tells where the images lie now.", False
    problem = _unlike(source, result)
    if problem:
        return {}, f"The pictures are not shown: {problem}. --data tells where the images lie now.", False
    made, unreadable = {}, []
    for name in wanted:
        try:
            pixels = source.load(places[name], shape=shape, preprocess=result.preprocess)
        except (KeyError, EdgeMnv3Error):
            unreadable.append(name)
            continue
        made[name] = as_address(pixels, side_px=FLIP_SIDE_PX)
    gone = f" {len(unreadable)} of them could not be read." if unreadable else ""
    note = (
        f"The pictures are those of {location} now. Names and labels of its images are those that were "
        f"compared; their bytes are not recorded in this result.{gone}"
    )
    return made, note, False


def _shape(result: ValidateResult) -> ImageShape | None:
    facts = result.int8.input or result.float_.input
    if facts is None:
        return None
    return ImageShape(height_px=facts.height_px, width_px=facts.width_px, channels=facts.channels)


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
