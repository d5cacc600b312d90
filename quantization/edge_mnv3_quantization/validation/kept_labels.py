"""What a comparison keeps of its images beside their records: names, and labels as they were found."""

from __future__ import annotations

from edge_mnv3.core.images import ImageSource
from edge_mnv3_quantization.evaluation.labelled import (
    KeptFacts,
    KeptImages,
    KeptOutput,
    keep_images,
    known_location,
)
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.plan import ComparisonPlan
from edge_mnv3_quantization.validation.running import KeptRun
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison


def keep_labels(store: Store, run: KeptRun, images: ImageSource, plan: ComparisonPlan) -> None:
    """Keeps the names and labels of all images, where an output is of classes or of one score.

    Args:
        store: The store.
        run: What it has of the images.
        images: The images.
        plan: How the outputs were compared.
    """
    outputs = tuple(
        output for place in range(len(plan.comparisons)) if (output := _kept_output(plan, place)) is not None
    )
    if not outputs:
        return
    count = images.available or 0
    labels = {output.place: plan.labels[output.place] for output in outputs if output.place in plan.labels}
    facts = KeptFacts(
        data=known_location(images.location), images=count, outputs=outputs, labelled=tuple(labels)
    )
    names = [images.name(index) for index in range(count)]
    keep_images(store, run.key, KeptImages(facts, names, labels, run.parts))


def _kept_output(plan: ComparisonPlan, place: int) -> KeptOutput | None:
    comparison = plan.comparisons[place]
    if isinstance(comparison, ClassComparison):
        return KeptOutput(
            place=place,
            facts=comparison.facts,
            classes=comparison.classes,
            offsets=comparison.offsets,
            threshold=None,
        )
    if isinstance(comparison, ScoresComparison) and comparison.facts.task == "binary":
        return KeptOutput(
            place=place, facts=comparison.facts, classes=2, offsets=(0, 0), threshold=comparison.threshold
        )
    return None
