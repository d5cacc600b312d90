"""Labels that are numbered otherwise than the model's outputs, read off its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3_quantization.validation.hits import NO_CLASS

_FOLDS = 2
_EXAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """Another numbering of the labels, with which a model is right more often.

    Attributes:
        words: What it makes of the labels, to be read after "with": `labels one less`.
        cause: What usually causes it.
        hits: How many answers are right with it.
        n: How many there are.
    """

    words: str
    cause: str
    hits: int
    n: int

    @property
    def percent(self) -> float:
        """Share of answers that are right with it."""
        return 100 * self.hits / self.n


def other_numbering(labels: Sequence[int], answers: Sequence[int], *, classes: int) -> Numbering | None:
    """Finds a numbering of the labels with which the answers are right far more often than as they are.

    Tried are labels one less and one more, one class left out, numbers sorted as text, and any other that
    takes each label to a class of its own; that one is read off one half of the images and held against the
    other.

    Args:
        labels: Classes of the images, at least one.
        answers: The model's, as many; `NO_CLASS` where it gave none.
        classes: How many classes the model has.

    Returns:
        The best one, where its 95 % interval lies above that of the labels as they are; else None.
    """
    plain = sum(label == answer for label, answer in zip(labels, answers, strict=True))
    best: Numbering | None = None
    for numbering in _numberings(labels, answers, classes):
        if best is None or numbering.hits > best.hits:
            best = numbering
    if best is None or wilson_percent(best.hits, best.n)[0] <= wilson_percent(plain, best.n)[1]:
        return None
    return best


def _numberings(labels: Sequence[int], answers: Sequence[int], classes: int) -> Iterator[Numbering]:
    """The simplest first."""

    def numbering(words: str, cause: str, renumber: Callable[[int], int]) -> Numbering:
        hits = sum(renumber(label) == answer for label, answer in zip(labels, answers, strict=True))
        return Numbering(words=words, cause=cause, hits=hits, n=len(labels))

    yield numbering(
        "labels one less",
        "numbers that begin with 1, or a class folder that the model does not have",
        lambda label: label - 1,
    )
    yield numbering(
        "labels one more", "a missing class folder, or a background class", lambda label: label + 1
    )
    missing = _left_out(labels, answers)
    if missing is not None:
        yield numbering(
            f"labels from {missing} on one more",
            f"no folder of class {missing}",
            lambda label: label + (label >= missing),
        )
    as_text = [int(text) for text in sorted(map(str, range(classes)))]
    back = {number: place for place, number in enumerate(as_text)}
    sorted_words = "class folders of numbers sorted as text (0, 1, 10, 11, 2)"
    yield numbering(
        "labels sorted as numbers",
        sorted_words,
        lambda label: as_text[label] if label < classes else label,
    )
    yield numbering(
        "labels sorted as text", f"{sorted_words} in training", lambda label: back.get(label, label)
    )
    learned = _learned(labels, answers)
    if learned is not None:
        yield learned


def _left_out(labels: Sequence[int], answers: Sequence[int]) -> int | None:
    """The class from which on one more is right most often, if that is in between."""
    plain = Counter(label for label, answer in zip(labels, answers, strict=True) if label == answer)
    more = Counter(label for label, answer in zip(labels, answers, strict=True) if label + 1 == answer)
    seen = sorted(set(labels))
    hits, best = sum(more.values()), None
    most = hits
    for before, label in pairwise(seen):
        hits += plain[before] - more[before]
        if hits > most:
            most, best = hits, label
    return best


def _learned(labels: Sequence[int], answers: Sequence[int]) -> Numbering | None:
    """The numbering that the answers themselves tell, each half of a class's images judged by the other."""
    pairs = list(zip(labels, answers, strict=True))
    places: Counter[int] = Counter()
    folds: list[list[tuple[int, int]]] = [[] for _ in range(_FOLDS)]
    for label, answer in pairs:
        folds[places[label] % _FOLDS].append((label, answer))
        places[label] += 1
    hits = 0
    for number, fold in enumerate(folds):
        others = [pair for other, each in enumerate(folds) if other != number for pair in each]
        numbers = _one_to_one(others)
        hits += sum(numbers.get(label) == answer for label, answer in fold)
    moved = {label: new for label, new in sorted(_one_to_one(pairs).items()) if label != new}
    if not moved:
        return None
    examples = ", ".join(f"{label} as {new}" for label, new in list(moved.items())[:_EXAMPLES])
    more = f" and {len(moved) - _EXAMPLES} more" if len(moved) > _EXAMPLES else ""
    return Numbering(
        words=f"label {examples}{more}",
        cause="class folders or names in another order than in training",
        hits=hits,
        n=len(pairs),
    )


def _one_to_one(pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Takes each label to the class that answers it most often, each class once."""
    counts = Counter(pairs)
    numbers: dict[int, int] = {}
    taken: set[int] = set()
    for (label, answer), _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if answer != NO_CLASS and label not in numbers and answer not in taken:
            numbers[label] = answer
            taken.add(answer)
    return numbers
