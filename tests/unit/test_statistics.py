"""Statistics that are collected in pieces, stored and joined, on a network of two convolutions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.errors import CalibrationDataError, ConversionError, InputFileError
from edge_mnv3.core.hashing import sha256_images
from edge_mnv3_quantization.calibration import activations, statistics
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.calibration.statistics import (
    Statistics,
    collect,
    load_statistics,
    merge,
    network_sha256,
    save_statistics,
)
from edge_mnv3_quantization.graph.network import Network, Node, Value
from examples_count import examples
from recording_reporter import RecordingReporter
from small_networks import float_outputs

FIRST_FORMAT = Path(__file__).parents[1] / "golden" / "formats" / "statistics-v1.npz"
IMAGES: Images = np.random.default_rng(2).integers(0, 256, (8, 6, 6, 3), dtype=np.uint8)


def network(*, names: tuple[str, str] = ("first", "second"), shift: float = 0.0) -> Network:
    rng = np.random.default_rng(0)
    return Network(
        values={
            0: Value(name="image", shape=(1, 6, 6, 3)),
            1: Value(name=names[0], shape=(1, 6, 6, 4)),
            2: Value(name=names[1], shape=(1, 6, 6, 2)),
        },
        nodes=(
            Node(
                kind="conv",
                inputs=(0,),
                output=1,
                weights=rng.normal(0, 1, (4, 1, 1, 3)),
                bias=np.full(4, shift),
                clamp="relu",
            ),
            Node(
                kind="conv", inputs=(1,), output=2, weights=rng.normal(0, 1, (2, 1, 1, 4)), bias=np.zeros(2)
            ),
        ),
        input=0,
        outputs=(2,),
        input_scale=1 / 255,
    )


def collected(images: Images, start: Statistics | None = None) -> Statistics:
    return collect(network(), images, start=start)


@pytest.fixture(scope="module")
def whole() -> Statistics:
    return collected(IMAGES)


def stored(statistics: Statistics, folder: Path, name: str = "a.npz") -> bytes:
    save_statistics(statistics, folder / name)
    return (folder / name).read_bytes()


@examples(25)
@given(st.permutations(range(len(IMAGES))), st.integers(1, len(IMAGES) - 1))
def test_merged_pieces_are_the_same_file_as_all_at_once(
    whole: Statistics, tmp_path_factory: pytest.TempPathFactory, turns: list[int], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("merged")
    merged = merge(collected(IMAGES[turns[:cut]]), collected(IMAGES[turns[cut:]]))
    assert stored(merged, folder) == stored(whole, folder)


def test_resumed_after_every_image_is_the_same_file(
    whole: Statistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "CHECKPOINT_S", 0.0)
    checkpoints: list[int] = []

    def keep(so_far: Statistics) -> None:
        checkpoints.append(len(so_far.images))
        save_statistics(so_far, tmp_path / f"{len(so_far.images)}.npz")

    reporter = RecordingReporter()
    collect(
        network(),
        IMAGES,
        reporter=reporter,
        on_checkpoint=keep,
    )
    assert checkpoints == [1, 2, 3, 4, 5, 6, 7]
    assert reporter.done_and_total == [(done, 8) for done in range(1, 9)]
    for done in checkpoints:
        start = load_statistics(tmp_path / f"{done}.npz")
        assert stored(collected(IMAGES, start), tmp_path) == stored(whole, tmp_path, "whole.npz")
        assert len(start.images) == done  # left as it was


def test_complete_statistics_run_nothing(whole: Statistics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "write_float", None)
    assert collected(IMAGES[::-1], whole).images == whole.images


def test_names_numbers_and_the_softmax_make_no_other_network() -> None:
    wanted = network_sha256(network())
    assert network_sha256(network(names=("a", "b"))) == wanted
    assert network_sha256(network(shift=1e-9)) != wanted
    plain = network()
    values = {number + 7: value for number, value in plain.values.items()}
    nodes = [
        dataclasses.replace(node, inputs=(node.inputs[0] + 7,), output=node.output + 7)
        for node in plain.nodes
    ]
    moved = dataclasses.replace(plain.with_nodes(nodes, values), input=7, outputs=(9,))
    assert network_sha256(moved) == wanted
    softmax = Node(kind="softmax", inputs=(9,), output=10)
    answers = moved.with_nodes([*nodes, softmax], values | {10: values[9]})
    assert network_sha256(answers) == wanted


def test_equal_images_count_as_often_as_they_are_there(whole: Statistics) -> None:
    twice = np.concatenate([IMAGES, IMAGES[:1]])
    assert whole.left(sha256_images(twice)) == [8]
    assert len(collected(twice, whole).images) == 9


def test_statistics_are_those_of_the_numbers(whole: Statistics, tmp_path: Path) -> None:
    stored(whole, tmp_path)
    loaded = load_statistics(tmp_path / "a.npz").by_value(network())
    assert list(loaded) == [1, 2]
    for value, channels in loaded.items():
        numbers = float_outputs(network().up_to(value), IMAGES)
        numbers = numbers.reshape(-1, numbers.shape[-1])
        # XNNPACK may round otherwise where a value is the only output: a few units in the last place.
        np.testing.assert_allclose(channels.low, numbers.min(axis=0), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(channels.high, numbers.max(axis=0), rtol=1e-6)
        np.testing.assert_allclose(channels.mean, numbers.mean(axis=0), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(channels.mean_square, np.square(numbers).mean(axis=0), rtol=1e-6)


def test_file_of_the_first_format_is_read_and_merged(tmp_path: Path) -> None:
    # Written with this network over the first five images, the bins of histograms included.
    with np.load(FIRST_FORMAT) as archive:
        assert int(archive["format"]) == 1
        assert archive["counts"].shape == (6, 512)
    old = load_statistics(FIRST_FORMAT)
    new, rest = collected(IMAGES[:5]), collected(IMAGES[5:])
    assert (old.network_sha256, old.images, old.channels) == (new.network_sha256, new.images, new.channels)
    for value, channels in old.by_value(network()).items():
        for field in dataclasses.fields(channels):
            # The file was made on one kind of processor; others may round float32 otherwise.
            wanted = getattr(new.by_value(network())[value], field.name)
            np.testing.assert_allclose(getattr(channels, field.name), wanted, rtol=1e-5, atol=1e-5)
    merged = merge(old, rest)
    assert merged.images == collected(IMAGES).images
    for name in ("sums", "squares"):
        wanted = getattr(old.totals, name) + getattr(rest.totals, name)
        np.testing.assert_array_equal(getattr(merged.totals, name), wanted)
    resumed = collected(IMAGES, old)
    assert stored(resumed, tmp_path) == stored(merged, tmp_path, "merged.npz")
    assert load_statistics(tmp_path / "a.npz").images == merged.images
    with np.load(tmp_path / "a.npz") as archive:
        assert int(archive["format"]) == 2
        assert set(archive.files) == {
            *("format", "network_sha256", "images", "channels"),
            *("low", "high", "sums", "squares"),
        }


def test_statistics_of_something_else_are_refused(whole: Statistics) -> None:
    with pytest.raises(
        CalibrationDataError, match=r"^statistics: got those of network \w{12}…, expected those of \w{12}…$"
    ):
        collect(network(shift=1e-9), IMAGES, start=whole)
    with pytest.raises(CalibrationDataError, match=r"got 2 images besides those of this calibration"):
        collected(IMAGES[2:], whole)


def test_what_cannot_be_merged_is_refused(whole: Statistics) -> None:
    with pytest.raises(
        CalibrationDataError, match=r"got 3 images that are in both, expected different images"
    ):
        merge(whole, collected(IMAGES[:3]))
    with pytest.raises(CalibrationDataError, match=r"got those of networks \w{12}… and eeeeeeeeeeee…"):
        merge(whole, dataclasses.replace(whole, network_sha256="e" * 64))


def test_files_of_another_format_or_damaged_are_refused(
    whole: Statistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = stored(whole, tmp_path)
    path = tmp_path / "a.npz"
    for damaged in (b"", content[: len(content) // 2], content[:-2000] + b"\xff" * 1000 + content[-1000:]):
        path.write_bytes(damaged)
        with pytest.raises(
            InputFileError, match=r"a\.npz: got a damaged file, .*; delete it and run edge-mnv3 calibrate"
        ):
            load_statistics(path)
    np.savez(path, format=1, network_sha256="f")
    with pytest.raises(InputFileError, match="a damaged file"):
        load_statistics(path)
    monkeypatch.setattr("edge_mnv3_quantization.calibration.statistics.FORMAT", 1)
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"got format 2, expected format 1 to 1; delete it"):
        load_statistics(path)
    with pytest.raises(InputFileError, match=r"b\.npz: got no such file"):
        load_statistics(tmp_path / "b.npz")


def test_numbers_that_are_not_finite_are_an_error() -> None:
    broken = network()
    weights, _ = broken.nodes[0].weights_and_bias()
    weights[0, 0, 0, 0] = np.nan
    with pytest.raises(
        ConversionError, match="got numbers over 1e9, infinite or NaN, expected finite weights"
    ):
        collect(broken, IMAGES)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_file(whole: Statistics, tmp_path: Path, workers: int) -> None:
    some = collect(network(), IMAGES, workers=workers)
    assert stored(some, tmp_path) == stored(whole, tmp_path, "whole.npz")
