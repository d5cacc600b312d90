"""One model's answers to the images of an evaluation, taken from the store, and joined with another's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from edge_mnv3_quantization.evaluation.labelled import KeptImages, KeptLabel, KeptOutput
from edge_mnv3_quantization.evaluation.records import Columns, from_bytes, joined, unprefixed
from edge_mnv3_quantization.evaluation.store import Store

Role = Literal["float", "int8"]
ROLES: tuple[Role, Role] = ("float", "int8")


class StoredAnswer(NamedTuple):
    """An image of an evaluation.

    Attributes:
        image: What identifies the image: the hash of its bytes.
        name: Its name.
        label: Its label; None where it has none.
        row: Its row in the columns.
    """

    image: str
    name: str
    label: KeptLabel
    row: int


class StoredAnswers(NamedTuple):
    """All answers of an evaluation.

    Attributes:
        columns: What was kept of the output, as its comparison lays it out, a row an image.
        read: The images that could be read.
        not_read: Images that could not be read.
        not_kept: Images of which the store has nothing.
    """

    columns: Columns
    read: list[StoredAnswer]
    not_read: int
    not_kept: int


class Joined(NamedTuple):
    """Images of two evaluations.

    Attributes:
        pairs: Those that both have.
        only_a: How many only the first one has.
        only_b: How many only the second one has.
    """

    pairs: list[tuple[StoredAnswer, StoredAnswer]]
    only_a: int
    only_b: int


def stored_answers(store: Store, images: KeptImages, output: KeptOutput) -> StoredAnswers:
    """Reads what an evaluation has of each image.

    Args:
        store: The store.
        images: The images.
        output: One of their outputs.
    """
    labels = images.labels.get(output.place)
    places: list[int] = []
    found: list[str] = []
    columns: list[Columns] = []
    not_read = not_kept = start = 0
    for part in images.parts:
        shard = store.shard(part.key) if part.key else None
        if shard is None:
            not_kept += part.images
        else:
            records = from_bytes(shard.records)
            not_read += len(records.skipped)
            places += [start + place for place in records.places]
            found += [shard.contents[place].strip() for place in records.places]
            columns.append(records.columns)
        start += part.images
    read = [
        StoredAnswer(image, images.names[place], None if labels is None else labels[place], row)
        for row, (place, image) in enumerate(zip(places, found, strict=True))
    ]
    return StoredAnswers(unprefixed(joined(columns), output.place), read, not_read, not_kept)


def joined_answers(one: Sequence[StoredAnswer], other: Sequence[StoredAnswer]) -> Joined:
    """Joins what is the same image. One that is there several times is joined so often as both have it.

    Those of one label are joined first, then what is left of the image.
    """
    pairs: dict[int, tuple[StoredAnswer, StoredAnswer]] = {}
    left = sorted(other, key=_label_order)
    for by_label in (True, False):
        waiting: dict[tuple[str, KeptLabel], list[StoredAnswer]] = defaultdict(list)
        for each in reversed(left):
            waiting[each.image, each.label if by_label else None].append(each)
        for place in sorted(range(len(one)), key=lambda place: _label_order(one[place])):
            asked = one[place]
            same = waiting.get((asked.image, asked.label if by_label else None))
            if place not in pairs and same:
                pairs[place] = (asked, same.pop())
        left = [each for rest in waiting.values() for each in rest]
        left.sort(key=_label_order)
    return Joined([pairs[place] for place in sorted(pairs)], len(one) - len(pairs), len(other) - len(pairs))


def merged_columns(
    answers: tuple[StoredAnswers, StoredAnswers],
    roles: tuple[Role, Role],
    pairs: Sequence[tuple[StoredAnswer, StoredAnswer]],
) -> Columns:
    """Makes columns of two models out of those of two evaluations.

    Args:
        answers: Of both evaluations, with outputs of one kind.
        roles: Which file of its evaluation each model is.
        pairs: The images of both.

    Returns:
        Columns whose float file is the first model, and whose int8 file is the second one. Of classes, there
        is no margin.
    """
    merged: Columns = {}
    states, sure = [], []
    for place, (which, role) in enumerate(zip(ROLES, roles, strict=True)):
        rows = np.array([pair[place].row for pair in pairs], np.int64)
        columns = answers[place].columns
        if role in columns:  # scores
            merged[which] = columns[role][rows]
            continue
        for what in ("top5", "scores"):
            merged[f"{which}_{what}"] = columns[f"{role}_{what}"][rows]
        states.append(columns["states"][rows, ROLES.index(role)])
        sure.append(columns["confidences"][rows, ROLES.index(role)])
    if states:
        merged |= {"states": np.stack(states, axis=1), "confidences": np.stack(sure, axis=1)}
        merged["float_margin"] = np.zeros(len(pairs), np.float32)
    return merged


def _label_order(answer: StoredAnswer) -> list[int]:
    label = answer.label
    return sorted(label) if isinstance(label, frozenset) else [-1 if label is None else label]
