"""The stage `validate`: float against int8 on labelled images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edge_mnv3.core.choices import (
    DEFAULT_ENGINE,
    DEFAULT_KERNEL_CHOICE,
    DEFAULT_PREPROCESS,
    DEFAULT_RUNTIME,
    EngineName,
    KernelChoice,
    LabelMap,
    PreprocessName,
    RuntimeName,
)
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.images import check_skipped, skipped_warnings, unread_warnings
from edge_mnv3.core.input_range import stated_range
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, AtLeast, Count, Request, check_call
from edge_mnv3.core.results.model_facts import Task
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.stages.engines import check_engine, open_images_for, opened_engine

if TYPE_CHECKING:
    from edge_mnv3_quantization.evaluation.engines import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateRequest(Request):
    """What to compare.

    Attributes:
        float_path: A float `.tflite` file.
        int8_path: An int8 `.tflite` file of the same input shape and outputs.
        data: Labelled images: the path of a CSV with columns `file,label`, of a folder with one subfolder a
            class, or of an `.npz`. Embeddings and maps need no labels.
        preprocess: Key of `PREPROCESSES`.
        kernels: `xnnpack`, `builtin`, or `auto`: XNNPACK, and for an int8 file that does not load under it
            the built-in kernels, with a warning and a failed gate.
        runtime: TFLite runtime to use.
        class_offset: Output index of label 0; None: 1 for files with 1001 outputs, else 0.
        workers: Threads, or for 1000 images and more processes; None for one a core.
        max_drop_points: Largest drop of accuracy (float less int8, percentage points) that passes the gate;
            None for no gate.
        labels: Names of the outputs, for images that name their classes: a text file, or a folder of class
            folders; of the first output of scores, or for others `NAME=PATH` with the output's name, in a
            list; None for those that the files bring.
        label_map: How class numbers of the images are counted, as `open_images` has it; None for what they
            tell.
        input_range: What float inputs take, as `parse_input_range` reads it; None to find it out.
        task: What the outputs mean; None for what the `quantize.json` beside the files says, else what the
            float file's last layers tell.
        threshold: The score above which a label, or the class of a single score, holds; None for that of a
            probability of one half, as the last layers tell it.
        use_store: Take what is known of images from the store of results, and keep it there.
        store: Folder of the store; None for `results` in the cache folder.
        engine: `local`: this machine; `dask`: the workers of a Dask scheduler, which see the images under the
            same paths.
        scheduler: Address of the scheduler.
    """

    float_path: AnyPath
    int8_path: AnyPath
    data: AnyPath
    preprocess: PreprocessName = DEFAULT_PREPROCESS
    kernels: KernelChoice = DEFAULT_KERNEL_CHOICE
    runtime: RuntimeName = DEFAULT_RUNTIME
    class_offset: Annotated[int, AtLeast(0)] | None = None
    workers: Count | None = None
    max_drop_points: float | None = None
    labels: AnyPath | Sequence[AnyPath] | None = None
    label_map: LabelMap | None = None
    input_range: str | None = None
    task: Task | None = None
    threshold: float | None = None
    use_store: bool = True
    store: AnyPath | None = None
    engine: EngineName = DEFAULT_ENGINE
    scheduler: str | None = None

    def check(self) -> None:
        """Refuses an input range that cannot be read, a threshold that is no number, half an engine.

        Raises:
            ArgumentError: With what it may be.
        """
        stated_range(self.input_range)
        check_engine(self.engine, self.scheduler, self.workers)
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ArgumentError("--threshold", str(self.threshold), "a finite number")


def validate(request: ValidateRequest, reporter: Reporter = SILENT) -> ValidateResult:
    """Compares the accuracy of a float and an int8 file, image by image.

    Raises:
        InputFileError: The images cannot be listed, or labels not be read.
        CalibrationDataError: Labels are missing or wrong, or too many images cannot be read.
        ModelFileError: A file is invalid, does not load, or the two do not fit each other.
        RuntimeUnavailableError: The runtime cannot be used.
        SchedulerError: A Dask scheduler does not answer, or its workers cannot do the work.
    """
    check_call("validate", (ValidateRequest,), request, reporter)
    with opened_engine(request.engine, request.scheduler, reporter) as engine:
        return validated_by(engine, request, reporter)


def validated_by(engine: Engine | None, request: ValidateRequest, reporter: Reporter) -> ValidateResult:
    """Does as `validate`, with an engine that is open: several comparisons may have the same one.

    Args:
        engine: The request's engine; None for this machine.
        request: What to compare.
        reporter: Told of progress and warnings.

    Raises:
        EdgeMnv3Error: As `validate`.
    """
    from edge_mnv3.stages.output_names import output_names
    from edge_mnv3.stages.package_inputs import label_files
    from edge_mnv3.stages.recorded_outputs import recorded_outputs, recorded_preprocess
    from edge_mnv3.stages.result_store import opened_store
    from edge_mnv3.stages.validated_images import named_hashes
    from edge_mnv3_quantization.validation import accuracy

    images = open_images_for(request.data, request.engine, label_map=request.label_map)
    float_path, int8_path = Path(request.float_path), Path(request.int8_path)
    names = {}
    has_texts = any(name is not None for name in images.label_names()) or images.columns
    if request.labels or has_texts:
        names = output_names(label_files(request.labels), (int8_path, float_path))
    settings = accuracy.ValidationSettings(
        preprocess=request.preprocess,
        kernels=request.kernels,
        runtime=request.runtime,
        class_offset=request.class_offset,
        workers=request.workers,
        max_drop_points=request.max_drop_points,
        input_range=stated_range(request.input_range),
        task=request.task,
        names=names,
        threshold=request.threshold,
        recorded=recorded_outputs(float_path) or recorded_outputs(int8_path),
    )
    reporter.step("validating")
    with opened_store(request.store, reporter, use=request.use_store) as store:
        kept = dataclasses.replace(settings, store=store, engine=engine)
        result = accuracy.validate(float_path, int8_path, images, kept, reporter)
    check_skipped(result.skipped, images.available or 0)
    calibrated = _other_preprocess(recorded_preprocess(int8_path), request.preprocess)
    notes = (*calibrated, *images.remarks, *unread_warnings(images.unread))
    hashes = named_hashes(result, images)
    result = dataclasses.replace(result, warnings=(*result.warnings, *notes), image_sha256=hashes)
    for warning in (*result.warnings, *skipped_warnings(result.skipped)):
        reporter.warn(warning)
    return result


def _other_preprocess(recorded: str | None, given: str) -> tuple[str, ...]:
    """Tells that the int8 file was calibrated on images that were preprocessed in another way."""
    if recorded is None or recorded == given:
        return ()
    return (
        f"the images are preprocessed by '{given}', and those of the calibration were by '{recorded}': take "
        f"--preprocess {recorded} if that is what apps do",
    )
