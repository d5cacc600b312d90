"""The stage `results compare`: two models by what the store has of them, whenever they were evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.models_compared import ComparedModel, Condition, ModelsCompared
from edge_mnv3.core.results.validate_statistics import Share
from edge_mnv3.stages.result_store import opened_store
from edge_mnv3.stages.stored_models import Sides, StoredSide, chosen_sides

if TYPE_CHECKING:
    from edge_mnv3_quantization.evaluation.labelled import KeptOutput
    from edge_mnv3_quantization.evaluation.store import Store
    from edge_mnv3_quantization.validation.stored_answers import StoredAnswers


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsCompareRequest(Request):
    """What to compare.

    Attributes:
        a: A `.tflite` file, or the beginning of the SHA-256 of one that the store knows, four digits or more.
        b: The second one.
        data: Only evaluations of these images: the location that `validate` was given; None for any.
        evaluations: Only evaluations whose keys begin so; empty for any.
        across: Conditions that need not be the same: of `models_compared.CONDITIONS`.
        store: Folder of the store; None for `results` in the cache folder.
    """

    a: AnyPath
    b: AnyPath
    data: AnyPath | None = None
    evaluations: Sequence[str] = ()
    across: Sequence[Condition] = ()
    store: AnyPath | None = None


def compare_results(request: ResultsCompareRequest, reporter: Reporter = SILENT) -> ModelsCompared:
    """Compares two models image by image. Nothing is run, and neither files nor images need be there.

    Raises:
        ArgumentError: No evaluations of both fit, several do, or their outputs mean something else.
        CalibrationDataError: They have no image in common, or other labels of the same image.
        InputFileError: A model cannot be read, or the store has nothing of it.
    """
    check_call("compare_results", (ResultsCompareRequest,), request, reporter)
    with opened_store(request.store, reporter, reads_all=True) as store:
        if store is None:
            raise InputFileError(
                "store of results", "no cache folder", "the folder of a store", "use --store"
            )
        sides = chosen_sides(
            store,
            str(request.a),
            str(request.b),
            data=None if request.data is None else str(request.data),
            evaluations=request.evaluations,
            across=request.across,
        )
        result = _compared(store, sides)
    for warning in result.warnings:
        reporter.warn(warning)
    return result


def _compared(store: Store, sides: Sides) -> ModelsCompared:
    from edge_mnv3_quantization.evaluation.labelled import kept_images
    from edge_mnv3_quantization.validation.models_compared import ComparedOutput, check_outputs, compared
    from edge_mnv3_quantization.validation.stored_answers import joined_answers, stored_answers

    a, b = sides.a, sides.b
    outputs = _outputs(a, b)
    check_outputs(*outputs)
    answers = [
        stored_answers(store, kept_images(side.images), output)
        for side, output in zip((a, b), outputs, strict=True)
    ]
    images = joined_answers(answers[0].read, answers[1].read)
    if not images.pairs:
        raise CalibrationDataError(
            "images of A and B",
            f"{len(answers[0].read)} of {a.facts.data} and {len(answers[1].read)} of {b.facts.data}, none in "
            "both",
            "the same images",
            "run validate on the same --data",
        )
    compared_outputs = [
        ComparedOutput(output, side.role, Path(side.model["file"]), of_side)
        for output, side, of_side in zip(outputs, (a, b), answers, strict=True)
    ]
    found = compared(compared_outputs[0], compared_outputs[1], images.pairs)
    statistics = found.statistics
    models = [
        _model(side, output, read, top1, top5)
        for side, output, read, top1, top5 in (
            (a, outputs[0], answers[0], statistics.float_top1, statistics.float_top5),
            (b, outputs[1], answers[1], statistics.int8_top1, statistics.int8_top5),
        )
    ]
    told = f"not the same of both: {'; '.join(sides.differences)}"
    return ModelsCompared(
        a=models[0],
        b=models[1],
        n=len(images.pairs),
        only_a=images.only_a,
        only_b=images.only_b,
        agreement=statistics.agreement,
        difference=found.difference,
        class_tests=statistics.class_tests,
        confusions=statistics.confusions,
        confidence=statistics.confidence,
        differences=sides.differences,
        warnings=(
            *((told,) if sides.differences else ()),
            *_other_outputs(a, b, outputs),
            *_missing("A", images.only_a, models[0]),
            *_missing("B", images.only_b, models[1]),
            *found.warnings,
        ),
    )


def _outputs(a: StoredSide, b: StoredSide) -> tuple[KeptOutput, KeptOutput]:
    """Outputs of one name, those with labels first; else, what each side has labels of."""
    same = [
        (one, other)
        for one in a.facts.outputs
        for other in b.facts.outputs
        if one.facts.name == other.facts.name
    ]
    labelled = [
        (one, other)
        for one, other in same
        if one.place in a.facts.labelled or other.place in b.facts.labelled
    ]
    if labelled:
        return labelled[0]
    if same and not a.facts.labelled and not b.facts.labelled:
        return same[0]
    return _output(a), _output(b)


def _other_outputs(a: StoredSide, b: StoredSide, outputs: tuple[KeptOutput, KeptOutput]) -> tuple[str, ...]:
    """Tells if outputs of different names were compared though there are several."""
    one, other = (each.facts.name for each in outputs)
    if one == other or max(len(a.facts.outputs), len(b.facts.outputs)) == 1:
        return ()
    return (
        f"output {one} of A is compared with output {other} of B: they have none with labels of one name",
    )


def _output(side: StoredSide) -> KeptOutput:
    """The output that has labels; else the first one that can be compared."""
    outputs = side.facts.outputs
    return next((each for each in outputs if each.place in side.facts.labelled), outputs[0])


def _model(
    side: StoredSide, output: KeptOutput, answers: StoredAnswers, top1: Share | None, top5: Share | None
) -> ComparedModel:
    conditions = side.conditions
    return ComparedModel(
        file=side.model["file"],
        sha256=side.model["sha256"],
        role=side.role,
        evaluation=side.run.key,
        data=side.facts.data,
        output=output.facts.name,
        images=side.facts.images,
        not_read=answers.not_read,
        not_kept=answers.not_kept,
        kernels=conditions["kernels"],
        preprocess=conditions["preprocess"],
        runtime=conditions["runtime"],
        top1=top1,
        top5=top5,
    )


def _missing(name: str, only: int, model: ComparedModel) -> list[str]:
    told = []
    if only:
        other = "B" if name == "A" else "A"
        told.append(f"{only} images that {name} answered are not among those that {other} answered")
    if model.not_kept:
        told.append(
            f"the store has no answers of {name} to {model.not_kept} of {model.images} images: run validate "
            "again"
        )
    return told
