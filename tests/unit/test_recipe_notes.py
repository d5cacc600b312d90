"""What int8 files tell of their recipe."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.recipes.notes import (
    CHANNEL_GROUPS,
    EQUALIZATION_SCALES,
    read_groups,
    read_scales,
    write_notes,
)
from int8_pairs import CHANNELS, DEPTHWISE, STEM, small_network

LOWERED = rescale(lower_hard_swish(small_network()), {})
SCALES = {STEM: np.array([0.1, 1, 3, 7]), DEPTHWISE: np.ones(CHANNELS)}


def test_scales_are_noted_by_name_as_float32() -> None:
    notes = write_notes(LOWERED, SCALES)
    assert set(notes) == {EQUALIZATION_SCALES}  # there are no channel groups
    scales = read_scales(notes[EQUALIZATION_SCALES])
    assert set(scales) == {"stem"}  # those that are all 1 take no room
    np.testing.assert_array_equal(scales["stem"], np.array([0.1, 1, 3, 7], np.float32))
    assert len(notes[EQUALIZATION_SCALES]) == len('{"stem": 4}\n') + 4 * CHANNELS


def test_no_scales_are_noted_too() -> None:
    assert read_scales(write_notes(LOWERED, {})[EQUALIZATION_SCALES]) == {}


def test_several_groups_keep_their_own() -> None:
    scales = {STEM: np.arange(1.0, 5.0), DEPTHWISE: np.arange(5.0, 9.0)}
    noted = read_scales(write_notes(LOWERED, scales)[EQUALIZATION_SCALES])
    np.testing.assert_array_equal(noted["stem"], scales[STEM])
    np.testing.assert_array_equal(noted["depthwise"], scales[DEPTHWISE])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda entry: entry[:-4], "3 numbers for 4 positive scales"),
        (lambda entry: entry[:-4] + bytes(4), "4 numbers for 4 positive scales"),
        (lambda entry: entry[1:], "Extra data"),
    ],
    ids=["shortened", "zero", "no_line"],
)
def test_damaged_scales_are_refused(change: Callable[[bytes], bytes], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_scales(change(write_notes(LOWERED, SCALES)[EQUALIZATION_SCALES]))


def test_groups_are_noted() -> None:
    assert read_groups(b'{"stem":[[0,2],[1,3]]}') == {"stem": [[0, 2], [1, 3]]}
    assert CHANNEL_GROUPS != EQUALIZATION_SCALES
