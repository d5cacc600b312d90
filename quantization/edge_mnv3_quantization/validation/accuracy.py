"""A float file against an int8 file, image by image and output by output, as a phone would run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_mnv3.core.choices import (
    DEFAULT_KERNEL_CHOICE,
    DEFAULT_PREPROCESS,
    DEFAULT_RUNTIME,
    KernelChoice,
    RuntimeName,
)
from edge_mnv3.core.errors import ArgumentError, CalibrationDataError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.model_facts import OutputFacts, Task
from edge_mnv3.core.results.validate import Gate, ModelAccuracy, OutputComparison, ValidateResult
from edge_mnv3.core.results.validate_statistics import OutputStatistics
from edge_mnv3_quantization.evaluation.engines import Engine
from edge_mnv3_quantization.evaluation.records import unprefixed
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.comparing import Answered, OfOutput
from edge_mnv3_quantization.validation.file_pair import (
    ComparedFile,
    FilePair,
    PairSettings,
    open_pair,
)
from edge_mnv3_quantization.validation.findings import Finding, decide_gate, noticed
from edge_mnv3_quantization.validation.hits import NO_CLASS, Hits
from edge_mnv3_quantization.validation.kept_labels import keep_labels
from edge_mnv3_quantization.validation.label_names import OutputNames
from edge_mnv3_quantization.validation.other_ranges import better_range
from edge_mnv3_quantization.validation.plan import ComparisonPlan, plan_comparisons
from edge_mnv3_quantization.validation.readings import PairReading
from edge_mnv3_quantization.validation.running import Run, RunSettings, run_files

_NEIGHBOURS = "nearest-neighbour agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """How two files are compared.

    Attributes:
        preprocess: Key of `PREPROCESSES`.
        kernels: `auto` takes XNNPACK, and for an int8 file that does not load under it the built-in kernels,
            with a warning and a failed gate.
        runtime: Which runtime to use.
        class_offset: Output index of label 0; None means 1 for files with 1001 outputs, else 0.
        workers: Threads or processes, each with interpreters of one thread; None for one a core.
        max_drop_points: Largest drop of accuracy (float less int8, percentage points) that passes the gate;
            None for no gate.
        input_range: What float inputs take, as the user says; None to find it out.
        task: What the outputs mean, as the user says; None to read it from the float file.
        names: As in `plan_comparisons`.
        threshold: As in `plan_comparisons`.
        recorded: What the outputs mean, as `quantize.json` says; empty where it says nothing.
        store: Where the records of images are kept and taken from; None for nowhere.
        engine: Who runs the files; None for this machine.
    """

    preprocess: str = DEFAULT_PREPROCESS
    kernels: KernelChoice = DEFAULT_KERNEL_CHOICE
    runtime: RuntimeName = DEFAULT_RUNTIME
    class_offset: int | None = None
    workers: int | None = None
    max_drop_points: float | None = None
    input_range: InputRange | None = None
    task: Task | None = None
    names: Mapping[str, OutputNames] = field(default_factory=dict)
    threshold: float | None = None
    recorded: tuple[OutputFacts, ...] = ()
    store: Store | None = None
    engine: Engine | None = None

    @property
    def of_pair(self) -> PairSettings:
        """How both files are opened."""
        return PairSettings(
            kernels=self.kernels,
            runtime=self.runtime,
            input_range=self.input_range,
            task=self.task,
            recorded=self.recorded,
        )

    @property
    def running(self) -> RunSettings:
        """How both files are run."""
        return RunSettings(
            preprocess=self.preprocess,
            runtime=self.runtime,
            workers=self.workers,
            store=self.store,
            engine=self.engine,
        )


DEFAULT_SETTINGS = ValidationSettings()


def validate(
    float_path: Path,
    int8_path: Path,
    images: ImageSource,
    settings: ValidationSettings = DEFAULT_SETTINGS,
    reporter: Reporter = SILENT,
) -> ValidateResult:
    """Runs both files over the same pixels and compares their answers.

    Args:
        float_path: A float `.tflite` file.
        int8_path: An int8 `.tflite` file of the same input size and outputs.
        images: The images to run the files on, each with its label; embeddings and maps need none.
        settings: How the files are compared.
        reporter: Its `progress` is told of (images done, images in all), from the calling thread.

    Raises:
        ModelFileError: A file is invalid, does not load, or the two do not fit each other.
        CalibrationDataError: A label is missing or beyond the classes, or no image can be read.
        ArgumentError: A task does not fit the outputs, or there is nothing that a gate could limit.
    """
    pair = open_pair(float_path, int8_path, settings.of_pair)
    plan = plan_comparisons(
        pair,
        images,
        class_offset=settings.class_offset,
        names=settings.names,
        threshold=settings.threshold,
    )
    _check_gate(pair, settings)
    running = settings.running
    run = run_files(
        (pair.float_.runnable, pair.int8.runnable),
        images,
        running,
        PairReading(pair.outputs, plan.comparisons),
        reporter,
    )
    if not run.indices:
        reason = run.skipped[0].reason if run.skipped else "no images"
        raise CalibrationDataError(f"images of {images.location}: none can be read", reason)
    reporter.note(run.pace.text)
    if settings.store is not None and run.kept is not None:
        keep_labels(settings.store, run.kept, images, plan)
    outputs, found, statistics = _compare(plan, images, run)
    classes = _primary(plan)
    hint = None if classes is None else _range_hint(pair, plan, classes, images, run, running)
    findings = [*([] if hint is None else [hint]), *pair.findings, *found, *plan.findings]
    figures = None if classes is None else classes.figures
    return ValidateResult(
        n=len(run.indices),
        data=images.location,
        preprocess=images.applied_preprocess(settings.preprocess),
        float_=_accuracy(pair.float_, 0, classes, None if figures is None else figures.float_hits),
        int8=_accuracy(pair.int8, 1, classes, None if figures is None else figures.int8_hits),
        delta=None if figures is None else figures.delta,
        agreement_percent=next(
            (each.agreement_percent for each in outputs if each.output.task == "classes"), None
        ),
        per_class_losses=() if figures is None else figures.losses,
        worst=() if figures is None else figures.worst,
        skipped=run.skipped,
        runtime=pair.float_.runtime,
        gate=None if settings.max_drop_points is None else _gate(outputs, settings.max_drop_points, findings),
        outputs=tuple(outputs),
        image_answers=None if figures is None else figures.image_answers,
        statistics=tuple(statistics),
        task_source=pair.task_source,
        label_names_sha256=plan.names_sha256,
        ordered_names=plan.ordered_names,
        findings=tuple(noticed(finding) for finding in findings),
        warnings=tuple(finding.text for finding in findings),
    )


def _compare(
    plan: ComparisonPlan, images: ImageSource, run: Run
) -> tuple[list[OutputComparison], list[Finding], list[OutputStatistics]]:
    names = [images.name(index) for index in run.indices]
    outputs: list[OutputComparison] = []
    findings: list[Finding] = []
    statistics: list[OutputStatistics] = []
    for place, comparison in enumerate(plan.comparisons):
        all_labels = plan.labels.get(place)
        labels = None if all_labels is None else [all_labels[index] for index in run.indices]
        answered = Answered(
            names=names,
            columns=unprefixed(run.columns, place),
            labels=None if labels is None else [label for label in labels if label is not None],
        )
        compared = comparison.compare(answered)
        outputs.append(compared.comparison)
        several = len(plan.comparisons) > 1
        name = compared.comparison.output.name
        findings += [OfOutput(name, each) if several else each for each in compared.findings]
        if compared.statistics is not None:
            statistics.append(compared.statistics)
    return outputs, findings, statistics


def _range_hint(
    pair: FilePair,
    plan: ComparisonPlan,
    classes: ClassComparison,
    images: ImageSource,
    run: Run,
    settings: RunSettings,
) -> Finding | None:
    """Tries other input ranges, however often the float file is right: a wrong one may cost a part only."""
    if classes.figures is None:
        return None
    given = plan.labels[plan.labelled or 0]
    labels = {index: label for index, label in enumerate(given) if isinstance(label, int)}
    first = unprefixed(run.columns, plan.labelled or 0)["float_top5"][:, 0].tolist()
    answered = {
        index: NO_CLASS if place < 0 else place - classes.offsets[0]
        for index, place in zip(run.indices, first, strict=True)
    }
    return better_range(pair.float_, images, labels, classes, answered, settings)


def _primary(plan: ComparisonPlan) -> ClassComparison | None:
    """The output of classes that has the images' labels."""
    if plan.labelled is None:
        return None
    comparison = plan.comparisons[plan.labelled]
    return comparison if isinstance(comparison, ClassComparison) else None


def _check_gate(pair: FilePair, settings: ValidationSettings) -> None:
    """Refuses a gate where no output has a figure that could drop, before anything is run."""
    if settings.max_drop_points is not None and all(each.facts.task == "map" for each in pair.outputs):
        raise ArgumentError(
            "--max-drop-points",
            "files that give maps, which have no accuracy",
            next_step="leave it out, and read their cosine similarity and signal to noise",
        )


def _gate(outputs: Sequence[OutputComparison], max_drop_points: float, findings: Sequence[Finding]) -> Gate:
    """Limits the first figure of each output; embeddings have their neighbours. The largest drop decides."""
    drops: list[tuple[str, float]] = []
    for output in outputs:
        of = "" if len(outputs) == 1 else f" of output {output.output.name}"
        if output.scores:
            drops.append((f"{output.scores[0].name}{of}", -output.scores[0].difference_points))
        elif output.similarity is not None and output.similarity.neighbour_agreement_percent is not None:
            drops.append((f"{_NEIGHBOURS}{of}", 100 - output.similarity.neighbour_agreement_percent))
    measure, drop = max(drops, key=lambda each: each[1], default=(_NEIGHBOURS, float("nan")))
    return decide_gate(measure, drop, max_drop_points, findings)


def _accuracy(
    file: ComparedFile, place: int, classes: ClassComparison | None, hits: Hits | None
) -> ModelAccuracy:
    return ModelAccuracy(
        path=str(file.path),
        sha256=sha256_file(file.path),
        kernels=file.kernels,
        input=file.input.facts,
        class_offset=0 if classes is None else classes.offsets[place],
        top1_percent=None if hits is None else hits.top1_percent,
        top5_percent=None if hits is None else hits.top5_percent,
    )
