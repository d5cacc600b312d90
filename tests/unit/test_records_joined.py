"""Records of shards, put together as they come."""

import random

import numpy as np
import pytest

from edge_mnv3_quantization.evaluation.records import JoinedRecords, ShardRecords, Skipped, joined


def shard(rows: list[int], skipped: list[int]) -> ShardRecords:
    """Records of images whose column holds their number."""
    columns = {"top5": np.array([[row, -row] for row in rows], np.int32)} if rows else {}
    return ShardRecords(
        tuple(row % 4 for row in rows), columns, tuple(Skipped(row % 4, f"broken {row}") for row in skipped)
    )


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_in_the_order_of_images_in_whatever_order_shards_come(seed: int) -> None:
    shards = [
        (0, shard([0, 1, 2, 3], [])),
        (4, shard([4, 7], [5, 6])),
        (8, shard([], [8, 9, 10, 11])),
        (12, shard([12], [])),
    ]
    random.Random(seed).shuffle(shards)
    records = JoinedRecords(13)
    for start, each in shards:
        records.add(start, each)
    assert records.columns["top5"][:, 0].tolist() == [0, 1, 2, 3, 4, 7, 12]
    assert records.columns["top5"].dtype == np.int32
    assert sorted(place for place, _ in records.skipped) == [5, 6, 8, 9, 10, 11]
    in_order = joined([each.columns for _, each in sorted(shards, key=lambda pair: pair[0])])
    assert np.array_equal(records.columns["top5"], in_order["top5"])


def test_columns_of_another_form_are_no_rows() -> None:
    records = JoinedRecords(8)
    records.add(0, shard([0, 1], []))
    wrong = ShardRecords((0,), {"top5": np.zeros((1, 2), np.int64)}, ())
    with pytest.raises(ValueError, match="top5"):
        records.add(4, wrong)


def test_without_images_there_are_no_columns() -> None:
    assert JoinedRecords(0).columns == {}
