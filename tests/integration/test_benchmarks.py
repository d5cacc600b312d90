"""The benchmarks of recipes, with as little as they take."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmarks import calibration_size, digits_training, trained_variants
from benchmarks.calibration_size_table import Accuracy, Row, table
from edge_mnv3.core.image_marks import packed
from edge_mnv3.model.arch import parse_variant
from edge_mnv3.stages.demo import DEMO, demo_weights
from edge_mnv3_calibration_data.sources.digits import write_digits
from edge_mnv3_quantization.validation.differences import paired_interval_points

pytestmark = pytest.mark.unmeasured


def run(command: click.Command, *arguments: object) -> Result:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def test_calibration_size_goes_on_where_it_stopped(tmp_path: Path) -> None:
    calibration, held_out = write_digits(tmp_path / "digits")
    # A fifth of the held-out images is enough to see that they are recognized.
    data = held_out.with_name("some.csv")
    data.write_text("".join(held_out.read_text(encoding="utf-8").splitlines(keepends=True)[:73]))
    options = (
        "--variant", "small_minimalistic", "--alpha", 0.5, "--input-size", DEMO.input_size_px,
        "--weights", demo_weights(), "--calibration", calibration, "--data", data,
        "--preprocess", DEMO.preprocess, "--recipe", "stock", "--images", 1, "--images", 8,
        "--synthetic", 2, "-o", tmp_path / "sizes",
    )  # fmt: skip
    # As in fresh processes: Keras numbers layers on from model to model, and the names are in the float file.
    keras.utils.clear_session()
    first = run(calibration_size.main, *options, "--rows", 1)
    assert first.stdout.splitlines()[0] == "Float top-1 100.0 % of 72 images; seeds 0."
    (kept,) = (tmp_path / "sizes").glob("*/stock_1_seed_0.json")
    assert [path.name for path in kept.parent.glob("*_seed_*.json")] == [kept.name]
    keras.utils.clear_session()
    changed = json.loads(kept.read_text()) | {"quantize_s": 1234.5}
    kept.write_text(json.dumps(changed))
    rows = json.loads(run(calibration_size.main, *options, "--json").stdout)["rows"]
    assert [(row["kind"], row["images"]) for row in rows] == [("csv", 1), ("csv", 8), ("synthetic", 2)]
    assert rows[0] == changed  # taken as it lay there
    assert all(row["partitions"] == 1 for row in rows)
    # The network takes these 72 digits apart with ease; one of them more or less is chance.
    assert rows[1]["xnnpack"]["top1_percent"] > 95
    assert rows[1]["builtin"]["agreement_percent"] > 95


def test_what_more_images_buy_is_told_on_the_same_labelled_images() -> None:
    assert calibration_size.sizes_up_to(500) == calibration_size.sizes_up_to(None) == (1, 10, 100, 500)
    assert calibration_size.sizes_up_to(2500) == (1, 10, 100, 500, 1000, 2000, 2500)
    n, n_right = 100, (60, 70)
    accuracies = [
        Accuracy(
            top1_percent=right,
            agreement_percent=90.0,
            ci95_points=(0.0, 0.0),
            right=packed([place < right for place in range(n)]),
        )
        for right in n_right
    ]
    row = Row(
        recipe="fast", kind="csv", images=1, images_sha256="", seed=0, labelled_images=n,
        float_top1_percent=90.0, xnnpack=None, builtin=accuracies[0], partitions=None, int8_sha256="",
        quantize_s=1.0, validate_s=1.0,
    )  # fmt: skip
    more = dataclasses.replace(row, images=10, xnnpack=accuracies[1], builtin=accuracies[1])
    unknown = dataclasses.replace(
        more, images=100, builtin=None, xnnpack=dataclasses.replace(accuracies[1], right=None)
    )
    *_, first, second, third = table([row, more, unknown]).splitlines()
    low, high = paired_interval_points(0, 10, n)
    assert [line.split(" | ")[3] for line in (first, second, third)] == [
        "-",
        f"+10.0 ({low:+.1f}..{high:+.1f})",
        "-",
    ]


def test_trained_variants_compares_with_stock_and_trains_nothing_twice(tmp_path: Path) -> None:
    # As if they had been trained; tracing the gradients of a whole network would take longer than the rest.
    weights = tmp_path / "weights" / "small_minimalistic_1.0_32px_16_images_1_epochs.weights.h5"
    weights.parent.mkdir()
    keras.utils.set_random_seed(0)
    digits_training.untrained(parse_variant("small_minimalistic"), 32).save_weights(weights)
    done = run(
        trained_variants.main, "--variant", "small_minimalistic", "--recipe", "stock", "--recipe", "fast",
        "--epochs", 1, "--images", 16, "--samples", 4, "--input-size", 32, "-o", tmp_path,
    )  # fmt: skip
    assert "epoch" not in done.stderr
    result: dict[str, Any] = json.loads((tmp_path / "seed_0.json").read_text())
    assert [(row["network"], row["recipe"]) for row in result["rows"]] == [
        ("small_minimalistic_1.0", "stock"),
        ("small_minimalistic_1.0", "fast"),
    ]
    for row in result["rows"]:
        assert row["partitions"] == 1
        for kernels in ("xnnpack", "builtin"):
            # What rounding the output leaves is the most; chance may add a little.
            assert row[kernels]["logits_snr_db"] < row[kernels]["output_snr_db"] + 1
    stock, fast = result["rows"]
    assert [margin["kernels"] for margin in result["margins"]] == ["xnnpack", "builtin"]
    assert result["margins"][0]["logits_snr_db"] == pytest.approx(
        fast["xnnpack"]["logits_snr_db"] - stock["xnnpack"]["logits_snr_db"]
    )
    least = min(margin["logits_snr_db"] for margin in result["margins"])
    assert f"`fast` less `stock`, at least: logits {least:+.1f} dB" in done.stdout


def test_signal_is_what_differs_from_image_to_image() -> None:
    wanted = np.array([[99.0], [101.0]])
    # Squares about the mean: 2 of the signal, 0.02 of the noise.
    assert trained_variants.signal_to_noise_db(wanted, wanted + 0.1) == pytest.approx(20)
