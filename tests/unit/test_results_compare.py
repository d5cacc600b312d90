"""Two models of the store compared: which evaluations are taken, which images joined, what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.errors import ArgumentError, CalibrationDataError, EdgeMnv3Error, InputFileError
from edge_mnv3.core.exact_tests import mcnemar_p
from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3.core.results.model_facts import Activation, OutputFacts, Task
from edge_mnv3.core.results.models_compared import ModelsCompared
from edge_mnv3.stages.results import stored_results
from edge_mnv3.stages.results_compare import (
    ResultsCompareRequest,
    compare_results,
)
from edge_mnv3_quantization.evaluation.labelled import (
    KeptFacts,
    KeptImages,
    KeptLabel,
    KeptOutput,
    KeptPart,
    keep_images,
    known_location,
)
from edge_mnv3_quantization.evaluation.records import ShardRecords, Skipped, prefixed, to_bytes
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.evaluation.store_rows import StoredShard
from edge_mnv3_quantization.validation.class_comparison import ClassComparison, ClassOutputs
from edge_mnv3_quantization.validation.comparing import PairNames
from edge_mnv3_quantization.validation.paired_statistics import RESAMPLES, bootstrap_points
from edge_mnv3_quantization.validation.score_comparison import ScoreAnswer, ScoresComparison
from recording_reporter import RecordingReporter

CLASSES, N = 10, 120
RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, CLASSES, N).tolist()
FLOAT, OLD, NEW = "f" * 64, "0a1d" * 16, "4e77" * 16


def answers_of(wrong: float, seed: int) -> list[int]:
    """Answers of a model that is wrong so often."""
    rng = np.random.default_rng(seed)
    return [int(rng.integers(0, CLASSES)) if rng.random() < wrong else label for label in LABELS]


def output(task: Task = "classes", activation: Activation = "softmax", **other: Any) -> KeptOutput:
    count = 1 if task == "binary" else other.get("classes", CLASSES)
    facts = OutputFacts(name="kind", shape=(count,), activation=activation, task=task)
    given = {"place": 0, "classes": CLASSES, "offsets": (0, 0), "threshold": None, **other}
    return KeptOutput(facts=facts, **given)


@dataclass(frozen=True, kw_only=True)
class Given:
    """An evaluation: its images and what is not as usual of it."""

    images: Sequence[int] = range(N)
    labels: Sequence[KeptLabel] | None = tuple(LABELS)
    data: str = "/val.csv"
    shards: str = ""  # what they are named by, in place of the images' place
    of: KeptOutput = field(default_factory=output)
    skipped: Sequence[int] = ()
    lost: bool = False
    kernels: str = "xnnpack"
    conditions: dict[str, Any] = field(default_factory=dict)


def evaluate(folder: Path, int8: str, answers: Sequence[Any], **options: Any) -> str:
    """Keeps an evaluation of the float file, which is always right, and an int8 file; returns its key."""
    given = Given(**options)
    kept, images, data, labels, conditions = (
        given.of,
        given.images,
        given.data,
        given.labels,
        given.conditions,
    )
    models = [
        {"file": f"/{sha[:4]}.tflite", "sha256": sha, "kernels": given.kernels, "input_range": None}
        for sha in (FLOAT, int8)
    ]
    description = {
        "models": models,
        "runtime": "litert 2",
        "preprocess": "slim",
        "shape": [1, 8, 8, 3],
        "kept": "",
        "decoder": "Pillow",
        "numpy": "2",
        "processor": "p",
        "code": "c",
        **conditions,
    }
    run = f"{int8}-{json.dumps(conditions)}-{given.kernels}"
    files = PairNames(Path(), Path())
    comparison: Any = (
        ClassComparison(facts=kept.facts, files=files, classes=CLASSES, offsets=kept.offsets)
        if kept.threshold is None
        else ScoresComparison(facts=kept.facts, files=files, threshold=kept.threshold)
    )
    with Store(folder, RecordingReporter()) as store:
        store.use_run(run, json.dumps(description))
        parts = []
        for start in range(0, len(images), 16):
            shard = images[start : start + 16]
            read = [place for place, image in enumerate(shard) if image not in given.skipped]
            of_shard = [_pair(shard[place], answers[shard[place]], kept) for place in read]
            columns = prefixed([comparison.columns(of_shard)])
            records = ShardRecords(
                tuple(read), columns, tuple(Skipped(p, "broken") for p in range(len(shard)) if p not in read)
            )
            key = f"{run} {given.shards or data} {start}"
            contents = tuple(f" {image:064x}" for image in shard)
            store.keep_shard(key, run, StoredShard(contents, to_bytes(records)))
            parts.append(KeptPart("" if given.lost and start == 16 else key, len(shard)))
        facts = KeptFacts(
            data=data, images=len(images), outputs=(kept,), labelled=() if labels is None else (kept.place,)
        )
        names = [f"{image}.jpg" for image in images]
        of_images = {} if labels is None else {kept.place: [labels[image] for image in images]}
        keep_images(store, run, KeptImages(facts, names, of_images, parts))
    return run


def _pair(image: int, answer: Any, kept: KeptOutput) -> Any:
    if kept.threshold is not None:
        right = np.array([0.9 if LABELS[image] % 2 else 0.1], np.float32)
        return ScoreAnswer(right, np.array([answer], np.float32))
    label = LABELS[image]
    float_, int8 = (np.zeros(CLASSES + offset, np.float32) for offset in kept.offsets)
    float_[kept.offsets[0] + np.array([label, (label + 1) % CLASSES])] = (0.9, 0.1)
    int8[kept.offsets[1] + np.array([answer, (answer + 2) % CLASSES])] = (0.7, 0.3)
    return ClassOutputs(float_, int8)


def compared(folder: Path, a: str = OLD[:8], b: str = NEW[:8], **options: Any) -> ModelsCompared:
    return compare_results(ResultsCompareRequest(a=a, b=b, store=folder, **options), RecordingReporter())


def refused(kind: type[EdgeMnv3Error], folder: Path, **options: Any) -> str:
    with pytest.raises(kind) as error:
        compared(folder, **options)
    return str(error.value)


def test_two_models_of_different_days_are_compared_image_by_image(tmp_path: Path) -> None:
    old, new = answers_of(0.5, 1), answers_of(0.1, 2)
    evaluate(tmp_path, OLD, old)
    # In another order and without some: images are found by what they hold.
    images = [image for image in RNG.permutation(N).tolist() if image not in (3, 5)]
    evaluate(tmp_path, NEW, new, images=images, skipped=(7,))
    result = compared(tmp_path)
    both = [image for image in range(N) if image not in (3, 5, 7)]
    lost = sum(old[i] == LABELS[i] != new[i] for i in both)
    won = sum(new[i] == LABELS[i] != old[i] for i in both)
    assert (result.n, result.only_a, result.only_b) == (len(both), 3, 0)
    assert (result.b.images, result.b.not_read) == (N - 2, 1)
    right = sum(old[i] == LABELS[i] for i in both)
    assert result.a.top1 is not None
    assert (result.a.top1.hits, result.a.top1.ci95_percent) == (right, wilson_percent(right, len(both)))
    assert result.difference is not None
    test = result.difference.test
    assert (test.lost, test.won, test.p_value, test.shown) == (lost, won, mcnemar_p(lost, won), True)
    assert result.difference.top1_points == pytest.approx(100 * (won - lost) / len(both))
    low, high = result.difference.bootstrap_ci95_points
    assert 0 < low < result.difference.top1_points < high
    assert result.agreement.hits == sum(old[i] == new[i] for i in both)
    assert result.class_tests is not None
    assert result.class_tests.changed <= CLASSES
    assert result.confidence is not None
    changed = {f"{i}.jpg": (old[i], new[i]) for i in both if old[i] != new[i]}
    assert result.confidence.flips
    assert all((f.float_class, f.int8_class) == changed[f.file] for f in result.confidence.flips)
    assert result.warnings == ("3 images that A answered are not among those that B answered",)
    other_way = compared(tmp_path, a=NEW[:8], b=OLD)
    assert (other_way.difference.test.lost, other_way.only_b) == (won, 3)  # type: ignore[union-attr]


def test_a_background_class_is_left_out_of_the_numbers(tmp_path: Path) -> None:
    answers = answers_of(0.3, 1)
    evaluate(tmp_path, OLD, answers)
    evaluate(tmp_path, NEW, answers, of=output(offsets=(0, 1)))
    assert compared(tmp_path).agreement.percent == 100


def test_a_float_file_of_many_evaluations_is_one_model(tmp_path: Path) -> None:
    evaluate(tmp_path, OLD, answers_of(0.5, 1))
    evaluate(tmp_path, NEW, answers_of(0.1, 2))
    result = compared(tmp_path, a=FLOAT[:6])
    assert result.a.top1 is not None
    assert (result.a.role, result.a.top1.percent) == ("float", 100)


def test_an_image_that_is_there_twice_is_joined_by_its_label(tmp_path: Path) -> None:
    answers = answers_of(0.3, 1)
    evaluate(tmp_path, OLD, answers, images=[0, 1, 1, *range(2, 50)])
    evaluate(tmp_path, NEW, answers, images=[1, *range(50)])
    result = compared(tmp_path)
    assert (result.n, result.only_a, result.only_b, result.agreement.percent) == (51, 0, 0, 100)


def test_one_pattern_in_two_folders_is_two_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, images in (("one", range(60)), ("two", range(30))):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        for int8, seed in ((OLD, 1), (NEW, 2)):
            evaluate(
                tmp_path / "store",
                int8,
                answers_of(0.3, seed),
                data=known_location("val-*.tar"),
                images=images,
            )
    assert compared(tmp_path / "store", data="val-*.tar").n == 30
    monkeypatch.chdir(tmp_path / "one")
    assert compared(tmp_path / "store", data="val-*.tar").n == 60
    assert compared(tmp_path / "store", data=tmp_path / "two" / "val-*.tar").n == 30


def test_one_list_under_several_paths_is_one_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spellings = ("val.csv", "run1/../val.csv", "./run1/../run1/.././val.csv", f"../{tmp_path.name}/val.csv")
    assert {known_location(each) for each in spellings} == {str(tmp_path / "val.csv")}
    # As they were kept before.
    for spelling in spellings:
        for int8, seed in ((OLD, 1), (NEW, 2)):
            evaluate(tmp_path, int8, answers_of(0.3, seed), data=str(tmp_path.absolute() / spelling))
    assert compared(tmp_path).n == N
    assert compared(tmp_path, data="run2/../val.csv").n == N
    assert {each.data for each in stored_results(tmp_path).evaluations} == {(str(tmp_path / "val.csv"),)}


def test_a_copy_of_a_list_is_the_same_evaluation(tmp_path: Path) -> None:
    for data in ("/val.csv", "/copy/val.csv"):
        for int8, seed in ((OLD, 1), (NEW, 2)):
            evaluate(tmp_path, int8, answers_of(0.3, seed), data=data, shards="the same")
    assert compared(tmp_path).n == N
    # With other labels it is not.
    for int8, seed in ((OLD, 1), (NEW, 2)):
        evaluate(tmp_path, int8, answers_of(0.3, seed), data="/other.csv", shards="the same", labels=[0] * N)
    text = refused(ArgumentError, tmp_path)
    assert "2 that fit: " in text
    assert text.endswith("choose with --data")


@pytest.mark.parametrize(
    ("condition", "value"),
    [("preprocess", "resize"), ("kernels", "builtin"), ("runtime", "litert 3"), ("decoder", "x")],
)
def test_what_was_run_otherwise_is_compared_only_if_the_user_says_so(
    tmp_path: Path, condition: str, value: str
) -> None:
    otherwise = {"kernels": value} if condition == "kernels" else {"conditions": {condition: value}}
    evaluate(tmp_path, OLD, answers_of(0.5, 1))
    evaluate(tmp_path, NEW, answers_of(0.1, 2), **otherwise)
    text = refused(ArgumentError, tmp_path)
    assert f"{condition} " in text
    assert text.endswith(
        f"{value}, expected the same of both; run validate in one way, or compare in spite of it "
        f"with --across {condition}"
    )
    result = compared(tmp_path, across=(condition,))
    assert len(result.differences) == 1
    assert result.warnings[0] == f"not the same of both: {result.differences[0]}"


def test_what_hardly_matters_is_told(tmp_path: Path) -> None:
    other = {"shape": [1, 9, 9, 3], "code": "d", "processor": "q", "numpy": "3"}
    evaluate(tmp_path, OLD, answers_of(0.5, 1))
    evaluate(tmp_path, NEW, answers_of(0.1, 2), conditions=other)
    assert compared(tmp_path).differences == (
        "input size [1, 8, 8, 3] and [1, 9, 9, 3]",
        "NumPy 2 and 3",
        "kind of processor",
        "edge-mnv3's code",
    )


def test_what_is_not_clear_is_not_guessed(tmp_path: Path) -> None:
    evaluate(tmp_path, OLD, answers_of(0.5, 1))
    evaluate(tmp_path, NEW, answers_of(0.1, 2))
    evaluate(tmp_path, OLD, answers_of(0.5, 1), data="/test.csv", images=range(60))
    evaluate(tmp_path, NEW, answers_of(0.1, 2), data="/test.csv", images=range(60))
    text = refused(ArgumentError, tmp_path)
    assert "2 that fit: " in text
    assert "/val.csv xnnpack slim; " in text
    assert text.endswith("choose with --data")  # both have one key
    assert compared(tmp_path, data="/test.csv").n == 60
    assert "no evaluation of /no.csv" in refused(InputFileError, tmp_path, data="/no.csv")
    # Of equal evaluations by two releases, that which fits the other model is taken.
    code = evaluate(tmp_path, NEW, answers_of(0.1, 2), conditions={"code": "d"})
    assert compared(tmp_path, data="/val.csv").differences == ()
    assert compared(tmp_path, evaluations=(code, "0a1d"), data="/val.csv").differences == (
        "edge-mnv3's code",
    )


def test_what_the_store_does_not_have_is_told(tmp_path: Path) -> None:
    evaluate(tmp_path, OLD, answers_of(0.5, 1))
    evaluate(tmp_path, NEW, answers_of(0.1, 2), lost=True)
    result = compared(tmp_path)
    assert (result.n, result.b.not_kept) == (N - 16, 16)
    assert f"the store has no answers of B to 16 of {N} images: run validate again" in result.warnings
    assert "no such model" in refused(ArgumentError, tmp_path, a="abcdef")
    assert "one file" in refused(ArgumentError, tmp_path, a=NEW)
    assert "no such file" in refused(InputFileError, tmp_path, a="gone.tflite")
    file = tmp_path / "other.tflite"
    file.write_bytes(b"model")
    assert "no evaluation with the names and labels" in refused(InputFileError, tmp_path, a=str(file))


def test_models_of_one_beginning_are_named(tmp_path: Path) -> None:
    evaluate(tmp_path, "0a1d" + 60 * "0", answers_of(0.5, 1))
    evaluate(tmp_path, OLD, answers_of(0.5, 1))
    assert "2 models of that beginning: 0a1d0000" in refused(ArgumentError, tmp_path, a="0a1d")


def test_other_images_and_other_labels_are_refused(tmp_path: Path) -> None:
    evaluate(tmp_path, OLD, answers_of(0.5, 1), images=range(40))
    evaluate(tmp_path, NEW, answers_of(0.1, 2), images=range(40, N))
    assert "none in both" in refused(CalibrationDataError, tmp_path)
    moved = [label + 1 for label in LABELS]
    evaluate(tmp_path, NEW, answers_of(0.1, 2), labels=moved)
    text = refused(CalibrationDataError, tmp_path)
    assert text.startswith(
        f"labels of 40 of 40 images: got {LABELS[0]} for 0.jpg with A, and {moved[0]} for "
    )


def test_without_labels_agreement_is_left(tmp_path: Path) -> None:
    evaluate(tmp_path, OLD, answers_of(0.5, 1), labels=None)
    evaluate(tmp_path, NEW, answers_of(0.1, 2), labels=None)
    result = compared(tmp_path)
    assert (result.difference, result.a.top1, result.class_tests) == (None, None, None)
    assert result.warnings == ("neither evaluation had labels, so that nothing is said of accuracy",)
    evaluate(tmp_path, NEW, answers_of(0.1, 2))
    assert compared(tmp_path).difference is not None  # labels of one are those of the same images


def test_models_whose_classes_are_in_another_order_are_noticed(tmp_path: Path) -> None:
    evaluate(tmp_path, OLD, LABELS)
    evaluate(tmp_path, NEW, [(label + 1) % CLASSES for label in LABELS])
    found, _ = compared(tmp_path).warnings
    assert found.startswith("B is right no more often than by chance: top-1 0.00 %") or "chance" in found
    assert any("A and B agree on 0.00 %" in each for each in compared(tmp_path).warnings)


def test_single_scores_are_compared_at_one_threshold(tmp_path: Path) -> None:
    binary = output("binary", "sigmoid", classes=2, threshold=0.5)
    labels = [label % 2 for label in LABELS]
    scores = [0.8 if label else 0.2 for label in labels]
    evaluate(tmp_path, OLD, scores, labels=labels, of=binary)
    evaluate(tmp_path, NEW, [1 - score for score in scores[:30]] + scores[30:], labels=labels, of=binary)
    result = compared(tmp_path)
    assert result.difference is not None
    assert (result.difference.test.lost, result.difference.test.won) == (30, 0)
    assert result.a.top5 is None
    other = output("binary", "sigmoid", classes=2, threshold=0.7)
    evaluate(tmp_path, NEW, scores, labels=labels, of=other)
    assert "decided above 0.5 and 0.7" in refused(ArgumentError, tmp_path)
    evaluate(tmp_path, NEW, answers_of(0.1, 2))
    assert "binary of 2, and classes of 10" in refused(ArgumentError, tmp_path)


def test_the_list_tells_what_an_evaluation_was_for(tmp_path: Path) -> None:
    evaluate(tmp_path, OLD, answers_of(0.5, 1))
    with Store(tmp_path, RecordingReporter()) as store:
        (run,) = store.runs()
        facts = json.loads(run.description)
        store.use_run("probe", json.dumps({**facts, "models": facts["models"][:1]}))
    whole, probe = sorted(stored_results(tmp_path).evaluations, key=lambda each: each.purpose)
    assert (whole.purpose, whole.data) == ("comparison", ("/val.csv",))
    assert (probe.purpose, probe.data) == ("input range tried", ())


def test_the_bootstrap_is_that_of_the_images() -> None:
    lost, won, n = 30, 12, 400
    effects = np.array([-1] * lost + [1] * won + [0] * (n - lost - won))
    rng = np.random.default_rng(1)
    drawn = 100 * effects[rng.integers(0, n, (RESAMPLES, n))].mean(axis=1)
    # The percentiles of two such bootstraps differ by their sampling error, about a hundredth of a point.
    assert bootstrap_points(lost, won, n) == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=0.15)
    assert bootstrap_points(0, 0, 5) == (0, 0)
