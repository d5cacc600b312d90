"""What runs behind a tensor alone, for the cost of its quantization, gives what the whole file gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_mnv3_quantization.diagnosis import alone
from edge_mnv3_quantization.diagnosis.attribution import attribute, run_quantized
from edge_mnv3_quantization.diagnosis.pairing import pair_files
from edge_mnv3_quantization.diagnosis.signal_noise import survey
from int8_pairs import PROJECT, SIDE, float_file, int8_of, small_network

MANY = np.random.default_rng(6).integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.mark.parametrize(("workers", "kept_bytes"), [(1, 1e9), (2, 1.0), (3, 1e9)])
def test_what_follows_a_tensor_gives_what_the_whole_file_gives(
    workers: int, kept_bytes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many threads run it, and in however many turns the images have to be taken."""
    monkeypatch.setattr(alone, "_KEPT_BYTES", kept_bytes)
    int8 = int8_of(small_network())
    stored = int8.weights[PROJECT]
    int8.weights[PROJECT] = dataclasses.replace(stored, bias=stored.bias + 9)
    pair = pair_files(
        float_file(small_network()), int8.to_bytes(), float_name="f.tflite", int8_name="q.tflite"
    )
    surveyed = survey(pair, MANY[:16], kernels="xnnpack", float_name="f.tflite", int8_name="q.tflite")
    equalization = surveyed.equalization
    costs = attribute(pair, surveyed, MANY, top=1, workers=workers)
    wanted = np.concatenate(run_quantized(pair, equalization, (), MANY)).astype(np.float64)
    signal = np.square(wanted - wanted.mean(axis=0)).sum()
    for item, cost in zip(costs.items, costs.alone, strict=True):
        rows = np.concatenate(run_quantized(pair, equalization, [item], MANY))
        assert np.square(rows - wanted).sum() / signal == pytest.approx(cost, rel=1e-6, abs=1e-12)
    assert {item.kind for item in costs.items} == {"value", "weights"}
    monkeypatch.undo()
    same = attribute(pair, surveyed, MANY, top=1, workers=2)
    assert (same.alone, same.cumulative, same.together) == (costs.alone, costs.cumulative, costs.together)
