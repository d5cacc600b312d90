"""Validation on tiny real files whose answers are known."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_mnv3.core.errors import CalibrationDataError, InputFileError, ModelFileError
from edge_mnv3.core.input_range import parse_input_range
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.listed_images import HeldImages, ListedImage, ListedSource, LoadedImage
from edge_mnv3_quantization.validation.accuracy import ValidationSettings, validate
from edge_mnv3_quantization.validation.ranking import average_precision, roc_auc
from recording_reporter import RecordingReporter
from tiny_models import SIZE, expected_scores, weights, write_classifier

N = 60
PIXELS = np.random.default_rng(3).integers(0, 256, (N, SIZE, SIZE, 3), dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedImage(ListedImage):
    """An image that needs no preprocessing, or cannot be read."""

    pixels: npt.NDArray[np.uint8] | None

    def load(self, *, shape: ImageShape, preprocess: str) -> LoadedImage:
        assert shape == ImageShape.square(SIZE)
        if self.pixels is None:
            raise InputFileError(f"image {self.name}", "corrupt")
        return LoadedImage(self.pixels, "")


def images(labels: list[int], unreadable: tuple[int, ...] = ()) -> ListedSource:
    listed = [
        PreparedImage(name=f"{index}.png", label=label, pixels=None if index in unreadable else PIXELS[index])
        for index, label in enumerate(labels)
    ]
    return ListedSource(kind="list", location="test set", root=None, images=HeldImages(listed))


def float_answers(kernel: npt.NDArray[np.float32]) -> list[int]:
    return [int(expected_scores(kernel, pixels).argmax()) for pixels in PIXELS]


def test_a_range_that_costs_a_part_of_the_answers_is_told(tmp_path: Path) -> None:
    tilt = np.array([-0.6, 0.6, 0.0], np.float32)[:, None, None, None]  # the brightness decides, too
    kernel = weights(3) + np.float32(0.04) * tilt
    path = write_classifier(tmp_path / "f.tflite", "float32", kernel=kernel)
    int8_path = write_classifier(tmp_path / "q.tflite", "uint8", kernel=kernel, output_scale=16.0)
    around_zero = PIXELS.astype(np.float64) / 127.5 - 1
    labels = np.einsum("khwc,nhwc->nk", kernel.astype(np.float64), around_zero).argmax(axis=1).tolist()

    def told(stated: str) -> tuple[float | None, list[str]]:
        settings = ValidationSettings(preprocess="none", input_range=parse_input_range(stated))
        result = validate(path, int8_path, images(labels), settings)
        return result.float_.top1_percent, [each.kind for each in result.findings]

    right, kinds = told("-1..1")
    assert right == 100
    assert "other_input_range" not in kinds
    right, kinds = told("0..255")
    assert right is not None
    assert 50 < right < 80
    assert "other_input_range" in kinds


def test_counts_are_those_of_arithmetic(tmp_path: Path) -> None:
    kernel = weights(5)
    other = kernel + np.random.default_rng(9).normal(0, 0.35, kernel.shape).astype(np.float32)
    float_path = write_classifier(tmp_path / "f.tflite", "float32", kernel=kernel)
    int8_path = write_classifier(tmp_path / "q.tflite", "uint8", kernel=other, output_scale=16.0)
    truth = float_answers(kernel)
    labels = [*truth[:40], *[(label + 1) % 5 for label in truth[40:]]]
    reporter = RecordingReporter()
    result = validate(
        float_path, int8_path, images(labels), ValidationSettings(preprocess="none", workers=3), reporter
    )
    assert result.n == N
    assert result.float_.top1_percent == pytest.approx(100 * 40 / N)
    assert result.float_.top5_percent == 100
    figures = result.figures
    assert figures is not None
    delta = figures.delta
    assert delta.top1_points == pytest.approx(figures.int8_top1_percent - figures.float_top1_percent)
    assert delta.top1_points == pytest.approx(100 * (delta.won - delta.lost) / N)
    assert delta.lost > 0
    assert delta.ci95_points[0] < delta.top1_points < delta.ci95_points[1]
    (statistics,) = result.statistics
    assert statistics.float_top1 is not None
    assert (statistics.float_top1.hits, statistics.float_top1.n) == (40, N)
    assert statistics.difference is not None
    assert (statistics.difference.lost, statistics.difference.won) == (delta.lost, delta.won)
    assert statistics.agreement.percent == result.agreement_percent
    assert statistics.confidence is not None
    assert statistics.confidence.probabilities == "softmax of the scores"
    scores = np.stack([expected_scores(kernel, pixels) for pixels in PIXELS]).astype(np.float64)
    softmax = 1 / np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)
    assert statistics.confidence.float_mean_percent == pytest.approx(100 * softmax.mean(), rel=1e-4)
    flips = statistics.confidence.flips
    assert len(flips) == len(result.worst)
    assert [flip.float_confidence for flip in flips] == sorted(
        (flip.float_confidence for flip in flips), reverse=True
    )
    # The perturbed kernel's answers, by arithmetic; a quantized tie could differ, so they need not all agree.
    disagree = sum(a != b for a, b in zip(truth, float_answers(other), strict=True))
    assert result.agreement_percent == pytest.approx(100 * (N - disagree) / N, abs=100 * 2 / N)
    assert len(result.worst) == min(20, round(N * (1 - figures.agreement_percent / 100)))
    margins = [miss.float_margin for miss in result.worst]
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] >= 0
    assert (
        sum(loss.float_correct - loss.int8_correct for loss in result.per_class_losses)
        >= delta.lost - delta.won
    )
    assert reporter.done_and_total[-1] == (N, N)
    assert (result.float_.kernels, result.int8.kernels) == ("xnnpack", "xnnpack")
    assert result.gate is None


def test_answers_do_not_depend_on_workers(tmp_path: Path) -> None:
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    int8_path = write_classifier(tmp_path / "q.tflite", "int8")
    labels = float_answers(weights(5))
    one, four = (
        validate(float_path, int8_path, images(labels), ValidationSettings(workers=w)) for w in (1, 4)
    )
    assert (one.delta, one.worst, one.per_class_losses) == (four.delta, four.worst, four.per_class_losses)
    assert one.statistics == four.statistics


def test_background_class(tmp_path: Path) -> None:
    kernel = weights(1000)
    background = np.concatenate([np.zeros_like(kernel[:1]), kernel])
    float_path = write_classifier(tmp_path / "f.tflite", "float32", classes=1000, kernel=kernel)
    int8_path = write_classifier(tmp_path / "q.tflite", "uint8", classes=1001, kernel=background)
    labels = float_answers(kernel)
    result = validate(float_path, int8_path, images(labels))
    assert (result.float_.class_offset, result.int8.class_offset) == (0, 1)
    assert result.float_.top1_percent == 100
    assert result.figures is not None
    assert result.figures.int8_top5_percent > 90
    assert result.warnings == (
        "the images show 55 of the model's 1,000 classes",
        "q.tflite has 1001 outputs: output 0 is taken for 'background', output 1 for label 0",
    )
    assert (
        validate(float_path, int8_path, images(labels), ValidationSettings(class_offset=1)).delta
        == result.delta
    )


def test_gate(tmp_path: Path) -> None:
    kernel = weights(5)
    float_path = write_classifier(tmp_path / "f.tflite", "float32", kernel=kernel)
    int8_path = write_classifier(tmp_path / "q.tflite", "int8", kernel=np.roll(kernel, 1, axis=0))
    labels = float_answers(kernel)
    result = validate(float_path, int8_path, images(labels), ValidationSettings(max_drop_points=2.0))
    assert result.gate is not None
    assert result.figures is not None
    assert not result.gate.passed
    assert result.gate.drop_points == pytest.approx(-result.figures.delta.top1_points)
    assert result.gate.problems[-1].startswith("top-1 drops by ")
    assert result.gate.problems[-1].endswith(" points, at most 2 are allowed")
    same = write_classifier(tmp_path / "s.tflite", "int8", kernel=kernel)
    passed = validate(float_path, same, images(labels), ValidationSettings(max_drop_points=20.0))
    assert passed.gate is not None
    assert passed.gate.passed


def test_file_that_xnnpack_refuses_fails_the_gate(tmp_path: Path) -> None:
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    int8_path = write_classifier(tmp_path / "q.tflite", "int8", output_scale=1e-6)
    result = validate(
        float_path, int8_path, images(float_answers(weights(5))), ValidationSettings(max_drop_points=100.0)
    )
    assert result.int8.kernels == "builtin"
    assert "does not load under XNNPACK, the default on phones: do not ship it" in result.warnings[0]
    assert result.gate is not None
    assert not result.gate.passed
    with pytest.raises(ModelFileError, match="does not load under xnnpack"):
        validate(float_path, int8_path, images([0] * N), ValidationSettings(kernels="xnnpack"))


def test_unreadable_images_are_left_out_and_named(tmp_path: Path) -> None:
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    int8_path = write_classifier(tmp_path / "q.tflite", "int8")
    labels = float_answers(weights(5))
    result = validate(float_path, int8_path, images(labels, unreadable=(7, 3)))
    assert result.n == N - 2
    assert [(image.file, image.reason) for image in result.skipped] == [
        ("3.png", "corrupt"),
        ("7.png", "corrupt"),
    ]
    with pytest.raises(CalibrationDataError, match="images of test set: none can be read: got corrupt"):
        validate(float_path, int8_path, images(labels, unreadable=tuple(range(N))))


def test_errors_in_a_worker_stop_all(tmp_path: Path) -> None:
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    int8_path = write_classifier(tmp_path / "q.tflite", "int8")

    class Interrupting(Reporter):
        def progress(self, done: int, total: int) -> None:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        validate(float_path, int8_path, images([0] * N), reporter=Interrupting())
    assert threading.active_count() == before


@pytest.mark.parametrize("label", [-1, 5])
def test_label_out_of_range(tmp_path: Path, label: int) -> None:
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    int8_path = write_classifier(tmp_path / "q.tflite", "int8")
    with pytest.raises(CalibrationDataError) as caught:
        validate(float_path, int8_path, images([0, label]))
    assert str(caught.value) == (
        f"label of 1.png in test set: got {label}, expected 0 to 4, as the models have"
    )


def test_models_that_do_not_fit(tmp_path: Path) -> None:
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    int8_path = write_classifier(tmp_path / "q.tflite", "int8")
    six = write_classifier(tmp_path / "six.tflite", "int8", classes=6)
    large = write_classifier(tmp_path / "l.tflite", "int8", kernel=np.ones((5, 8, 8, 3), np.float32))
    with pytest.raises(
        ModelFileError, match="got 5 and 6 outputs, expected the same classes; use --class-offset"
    ):
        validate(float_path, six, images([0]))
    with pytest.raises(ModelFileError, match="input shapes of the two models"):
        validate(float_path, large, images([0]))
    with pytest.raises(
        ModelFileError, match="no quantized tensor: a float file, expected an int8 .tflite file"
    ):
        validate(float_path, float_path, images([0]))
    with pytest.raises(ModelFileError, match="got a int8 input, expected a float32 .tflite file"):
        validate(int8_path, int8_path, images([0]))
    assert validate(float_path, six, images([0]), ValidationSettings(class_offset=1)).int8.class_offset == 1


def test_rankings_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    scores, truth = rng.integers(0, 30, 200).astype(float), rng.random(200) < 0.3
    once = np.ones((1, 200))
    assert roc_auc(scores, truth, once)[0] == pytest.approx(metrics.roc_auc_score(truth, scores))
    expected = metrics.average_precision_score(truth, scores)
    assert average_precision(scores, truth, once)[0] == pytest.approx(expected)
