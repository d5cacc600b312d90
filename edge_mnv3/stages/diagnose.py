"""The stage `diagnose`: where an int8 file loses accuracy, on images of the user's or of its calibration."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edge_mnv3.core.choices import DEFAULT_PREPROCESS, DIAGNOSIS_SAMPLES, PreprocessName
from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import SampleRequest, skipped_warnings, unread_warnings
from edge_mnv3.core.input_range import stated_range
from edge_mnv3.core.outputs import check_writable, staged, write_text
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, AtLeast, Request, check_call, optional_path
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_int8_sha256
from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.tflite.input_facts import decide_inputs, read_input
from edge_mnv3.core.tflite.read import only_graph, read_file


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnoseRequest(Request):
    """What to diagnose, and on which images.

    Attributes:
        float_path: What the int8 file was made from.
        int8_path: A file of this project or of TensorFlow's converter.
        images: A location for `open_images`; None for the calibration images of the `quantize.json` beside
            the int8 file.
        samples: Number of images, at least 2; the first ones of a manifest or a stored calibration.
        seed: Decides which images are drawn.
        preprocess: For images that come from no manifest.
        input_range: What the float file takes, as `parse_input_range` reads it; None for what the file
            itself tells.
        head: Name of the output to diagnose, for files of several; None for the only one.
        plot: For a picture of the result, a name ending in `.png` or `.svg`; None for none.
        model_explorer: For node data of the float file's graph, which Model Explorer reads; None for none.
        output: For the result as JSON; None for none.
        force: Overwrite these files if they exist.
    """

    float_path: AnyPath
    int8_path: AnyPath
    images: AnyPath | None = None
    samples: Annotated[int, AtLeast(2)] = DIAGNOSIS_SAMPLES
    seed: int = 0
    preprocess: PreprocessName = DEFAULT_PREPROCESS
    input_range: str | None = None
    head: str | None = None
    plot: AnyPath | None = None
    model_explorer: AnyPath | None = None
    output: AnyPath | None = None
    force: bool = False

    def check(self) -> None:
        """Refuses an input range that cannot be read.

        Raises:
            ArgumentError: With what it may be.
        """
        stated_range(self.input_range)


def diagnose(request: DiagnoseRequest, reporter: Reporter = SILENT) -> DiagnoseResult:
    """Shows where an int8 file loses accuracy, and why.

    Raises:
        ArgumentError: There are several outputs and none is named, or none has that name.
        CalibrationDataError: There are no images, or they cannot be read.
        ModelFileError: A file is missing or invalid, nothing tells what the float file takes, or the two
            are no pair.
        OutputError: A file to write exists and `force` is off, cannot be written, or is of no known type.
        MissingExtraError: A plot is wanted, and matplotlib is not installed.
    """
    check_call("diagnose", (DiagnoseRequest,), request, reporter)
    from edge_mnv3_calibration_data.source_kinds import open_images
    from edge_mnv3_quantization.diagnosis import diagnose as diagnosis
    from edge_mnv3_quantization.diagnosis.model_explorer import node_data
    from edge_mnv3_quantization.diagnosis.plot import plot_diagnosis
    from edge_mnv3_quantization.plotting import check_plot

    plot, output = optional_path(request.plot), optional_path(request.output)
    explored = optional_path(request.model_explorer)
    check_writable([path for path in (plot, explored, output) if path], force=request.force)
    if plot:
        check_plot(plot)
    float_path, int8_path = Path(request.float_path), Path(request.int8_path)
    sample_request = SampleRequest(
        shape=diagnosis.input_shape(float_path),
        samples=request.samples,
        seed=request.seed,
        preprocess=request.preprocess,
        shorten_recorded=True,
    )
    files = [read_input(float_path), read_input(int8_path)]
    taken = decide_inputs(files, stated_range(request.input_range))[0]
    location = request.images or _calibration_images(int8_path)
    reporter.step("reading images")
    source = open_images(location)
    if source.synthetic:
        reporter.warn(
            "diagnosing on synthetic images: photographs may lose elsewhere; give some with --images"
        )
    sample = source.sample(sample_request, reporter)
    notes = (*source.remarks, *unread_warnings(sample.manifest.unread))
    for warning in (*notes, *skipped_warnings(sample.manifest.skipped)):
        reporter.warn(warning)
    result = diagnosis.diagnose(
        float_path,
        int8_path,
        sample.pixels,
        image_source=str(location),
        ends=diagnosis.Ends(taken.range, request.head),
        reporter=reporter,
    )
    if taken.warning is not None:
        result = dataclasses.replace(result, warnings=(taken.warning, *result.warnings))
    for warning in result.warnings:
        reporter.warn(warning)
    if output:
        write_text(output, to_json(result), force=request.force)
    if explored:
        names = {tensor.name for tensor in only_graph(read_file(float_path), str(float_path)).tensors}
        write_text(explored, node_data(result, names), force=request.force)
    if plot:
        with staged([plot], force=request.force) as (file,):
            plot_diagnosis(result, file)
    return result


def _calibration_images(int8_path: Path) -> Path:
    """The `quantize.json` of the run that made an int8 file."""
    path = int8_path.parent / QUANTIZE_FILE
    what, wanted = f"images for {int8_path}", "the photographs that it was calibrated on, or others"
    if not path.is_file():
        raise CalibrationDataError(what, f"no {QUANTIZE_FILE} beside it", wanted, "use --images")
    if not int8_path.is_file() or read_int8_sha256(path) != sha256_file(int8_path):
        raise CalibrationDataError(what, f"{path}, which is of another file", wanted, "use --images")
    return path
