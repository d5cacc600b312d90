"""What is measured of which images, and sums over images of which some show far ends only."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.channel_costs import Batch, ChannelCosts
from edge_mnv3_quantization.algorithms.measurement import Stretch, stretches
from edge_mnv3_quantization.calibration.activations import ChannelStatistics
from edge_mnv3_quantization.graph.network import Network, Node, Value


def shrinking_network() -> Network:
    """Maps of 112², 14² and one position: 1, 2 and 3; a vector, 4, excites the largest."""
    sides = {0: 224, 1: 112, 2: 14, 3: 1, 4: 1, 5: 112}
    kinds = {1: ("conv", (0,)), 4: ("mean", (1,)), 5: ("mul", (1, 4)), 2: ("conv", (5,)), 3: ("mean", (2,))}
    return Network(
        values={n: Value(name=str(n), shape=(1, side, side, 4)) for n, side in sides.items()},
        nodes=tuple(Node(kind=k, inputs=i, output=o) for o, (k, i) in kinds.items()),  # type: ignore[arg-type]
        input=0,
        outputs=(3,),
    )


def test_large_maps_and_what_only_they_take_are_measured_on_fewer_images() -> None:
    assert stretches(shrinking_network(), 500) == [
        Stretch(0, 32, (1, 4, 5, 2, 3)),
        Stretch(32, 64, (1, 4, 5, 2, 3)),
        Stretch(64, 255, (2, 3)),
        Stretch(255, 500, (3,)),
    ]


def test_few_positions_count_whole_on_more_images() -> None:
    later = Stretch(64, 255, (2, 3))
    assert [later.only_far(positions) for positions in (1, 30, 49, 196)] == [False, False, True, True]
    assert not Stretch(0, 32, (1,)).only_far(12544)


@pytest.mark.parametrize("images", [1, 31, 32])
def test_few_images_are_measured_whole(images: int) -> None:
    assert stretches(shrinking_network(), images) == [Stretch(0, images, (1, 4, 5, 2, 3))]


def drawn(seed: int, images: int = 5) -> Batch:
    """Two channels, the second twice as large, at nine positions of each image."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(0, (1.0, 2.0), (images, 9, 2)).astype(np.float32)
    columns = np.broadcast_to(np.arange(2 * images, dtype=np.int32).reshape(images, 1, 2), numbers.shape)
    gradient = rng.normal(size=numbers.shape).astype(np.float32)
    return Batch(numbers=numbers, gradient=gradient, of_product=None, columns=columns.reshape(-1))


def costs() -> ChannelCosts:
    statistics = ChannelStatistics(
        mean=np.zeros(2),
        mean_square=np.array([1.0, 4.0]),
        low=np.array([-4.0, -8.0]),
        high=np.array([4.0, 8.0]),
    )
    return ChannelCosts(statistics, 9, before_hard_swish=False)


def test_clipping_costs_the_mean_square_of_each_images_error() -> None:
    sums, batch = costs(), drawn(0)
    sums.add(sums.costs_of(batch, only_far=False), 5)
    tail = sums.finish().high
    ends = tail.unit[:, None] * tail.ends
    clipped = np.minimum(batch.numbers[..., None], ends) - batch.numbers[..., None]
    wanted = np.square((batch.gradient[..., None] * clipped).sum(axis=1, dtype=np.float64)).mean(axis=0)
    wanted[:, -1] = 0.0
    # The mean over the channels counts as much as 100 images.
    size = sums.finish().rounding * [1.0, 4.0]
    mixed = (5 * wanted + 100 * size[:, None] * wanted.sum(axis=0) / size.sum()) / 105
    np.testing.assert_allclose(tail.costs, mixed, rtol=1e-4, atol=1e-6 * mixed.max())


def test_far_ends_are_the_same_where_near_ones_are_left_out() -> None:
    sums, batch = costs(), drawn(1)
    whole, far = (sums.costs_of(batch, only_far=only_far) for only_far in (False, True))
    assert len(far.high) < len(whole.high) == 48
    np.testing.assert_allclose(far.high, whole.high[-len(far.high) :], rtol=1e-6)
    np.testing.assert_array_equal(far.rounding, whole.rounding)


def test_near_ends_cost_no_less_than_far_ones() -> None:
    sums, silent = costs(), drawn(2)
    silent = silent._replace(gradient=np.zeros_like(silent.gradient))
    sums.add(sums.costs_of(silent, only_far=False), 5)
    sums.add(sums.costs_of(drawn(3), only_far=True), 5)
    tail = sums.finish().high
    assert (np.diff(tail.costs[:, :20], axis=1) <= 1e-12 * tail.costs.max()).all()
    assert (tail.costs[:, 0] > 0).all()


def test_images_without_a_direction_add_nothing() -> None:
    sums, batch = costs(), drawn(4)
    gradient = batch.gradient.copy()
    gradient[3:] = 0.0
    short = Batch(
        numbers=batch.numbers[:3],
        gradient=batch.gradient[:3],
        of_product=None,
        columns=drawn(4, 3).columns,
    )
    one, other = (sums.costs_of(each, only_far=False) for each in (batch._replace(gradient=gradient), short))
    np.testing.assert_allclose(one.high, other.high)
    np.testing.assert_allclose(one.rounding, other.rounding)
