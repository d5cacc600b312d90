"""Statistics that are collected in pieces, stored and joined, on a network of two convolutions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mnv3.core.errors import CalibrationDataError, ConversionError, InputFileError
from edge_mnv3.core.hashing import sha256_images
from edge_mnv3_quantization.calibration import activations
from edge_mnv3_quantization.calibration.activations import Images, observe
from edge_mnv3_quantization.calibration.statistics import (
    Statistics,
    collect,
    load_statistics,
    merge,
    network_sha256,
    save_statistics,
)
from edge_mnv3_quantization.graph.network import Network, Node, Value

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
        output=2,
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


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(len(IMAGES))), st.integers(1, len(IMAGES) - 1))
def test_merged_pieces_are_the_same_file_as_all_at_once(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("merged")
    merged = merge(collected(IMAGES[turns[:cut]]), collected(IMAGES[turns[cut:]]))
    assert stored(merged, folder) == stored(collected(IMAGES), folder)


def test_resumed_after_every_image_is_the_same_file(whole: Statistics, tmp_path: Path) -> None:
    checkpoints: list[int] = []

    def keep(so_far: Statistics) -> None:
        checkpoints.append(len(so_far.images))
        save_statistics(so_far, tmp_path / f"{len(so_far.images)}.npz")

    seen: list[tuple[int, int]] = []
    collect(
        network(),
        IMAGES,
        on_image=lambda done, total: seen.append((done, total)),
        on_checkpoint=keep,
        checkpoint_s=0.0,
    )
    assert checkpoints == [1, 2, 3, 4, 5, 6, 7]
    assert seen == [(done, 8) for done in range(1, 9)]
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
    moved = dataclasses.replace(plain.with_nodes(nodes, values), input=7, output=9)
    assert network_sha256(moved) == wanted
    softmax = Node(kind="softmax", inputs=(9,), output=10)
    answers = moved.with_nodes([*nodes, softmax], values | {10: values[9]})
    assert network_sha256(answers) == wanted


def test_equal_images_count_as_often_as_they_are_there(whole: Statistics) -> None:
    twice = np.concatenate([IMAGES, IMAGES[:1]])
    assert whole.left(sha256_images(twice)) == [8]
    assert len(collected(twice, whole).images) == 9


def test_histograms_are_those_of_observing(whole: Statistics, tmp_path: Path) -> None:
    stored(whole, tmp_path)
    found = load_statistics(tmp_path / "a.npz").histograms(network())
    for value, wanted in observe(network(), IMAGES).items():
        for field in dataclasses.fields(wanted):
            np.testing.assert_array_equal(getattr(found[value], field.name), getattr(wanted, field.name))


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
            InputFileError, match=r"a\.npz: got a damaged file, .*; delete a\.npz and run edge-mnv3 calibrate"
        ):
            load_statistics(path)
    np.savez(path, format=1, network_sha256="f")
    with pytest.raises(InputFileError, match="a damaged file"):
        load_statistics(path)
    monkeypatch.setattr("edge_mnv3_quantization.calibration.statistics.FORMAT", 2)
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"got format 1, expected format 2; delete a\.npz"):
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
