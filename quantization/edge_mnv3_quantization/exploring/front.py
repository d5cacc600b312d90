"""The Pareto front of accuracy against cost, and its knee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

KNEE = (
    "greatest distance from the chord between the ends of the front, both axes scaled to 0..1 (Kneedle: "
    "Satopää et al. 2011), over the rows of the front that are told apart from the cheaper ones"
)
_FLAT = 1e-9  # a share of the front's height that is rounding


class Candidate(NamedTuple):
    """One choice.

    Attributes:
        cost: The lower the better.
        quality: The higher the better.
    """

    cost: float
    quality: float


class Knee(NamedTuple):
    """A choice and how it stands out.

    Attributes:
        place: Its place among the candidates.
        rise: How far it lies above the chord, as a share of the front's height; 0 where there is no knee, and
            it is the best end of the front.
    """

    place: int
    rise: float


def pareto_front(candidates: Sequence[Candidate]) -> list[int]:
    """Finds the choices that no other dominates: none is as good and cheaper, or better at no higher cost.

    Returns:
        Places in order of cost; equal choices are all on the front or all off it.
    """
    order = sorted(range(len(candidates)), key=lambda place: (candidates[place].cost, place))
    return [place for place in order if not any(dominates(other, candidates[place]) for other in candidates)]


def dominates(one: Candidate, other: Candidate) -> bool:
    """Whether one choice is no worse in both and better in one."""
    return one.cost <= other.cost and one.quality >= other.quality and one != other


def shown_front(front: Sequence[int], told_apart: Callable[[int, int], bool]) -> list[int]:
    """Leaves out those of a front whose gain over the last that was taken may be chance.

    Args:
        front: Places in order of cost.
        told_apart: Whether the first is surely better than the second.
    """
    shown = list(front[:1])
    for place in front[1:]:
        if told_apart(place, shown[-1]):
            shown.append(place)
    return shown


def knee(candidates: Sequence[Candidate], front: Sequence[int]) -> Knee:
    """Finds the choice of a front that lies furthest above the chord between its ends.

    Of equally far ones it is the cheapest. Where none lies above the chord, and of two, every further cost
    buys at least as much as the one before: then it is the best.

    Args:
        candidates: All choices.
        front: Places of at least one of them, in order of cost, of which each is better than those before.
    """
    first, last = candidates[front[0]], candidates[front[-1]]
    width, height = last.cost - first.cost, last.quality - first.quality
    if width <= 0 or height <= 0:
        return Knee(front[0], 0.0)
    rises = [
        (candidates[place].quality - first.quality) / height - (candidates[place].cost - first.cost) / width
        for place in front
    ]
    highest = max(rises)
    if highest <= _FLAT:
        return Knee(front[-1], 0.0)
    return Knee(front[next(at for at, rise in enumerate(rises) if rise >= highest - _FLAT)], highest)
