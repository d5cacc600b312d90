"""Which evaluations of the store two models are compared by."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.hashing import sha256_model
from edge_mnv3.core.results.models_compared import CONDITIONS, Condition

if TYPE_CHECKING:
    from edge_mnv3_quantization.evaluation.labelled import KeptFacts
    from edge_mnv3_quantization.evaluation.store import Store
    from edge_mnv3_quantization.evaluation.store_rows import StoredImages, StoredRun
    from edge_mnv3_quantization.validation.stored_answers import Role

_ROLES: tuple[Role, Role] = ("float", "int8")
_PREFIX = re.compile(r"[0-9a-f]{4,64}")
_KEY_SHOWN = 12
# Results may differ by these in their last bits, or not at all.
_TOLD = {
    "shape": "input size",
    "numpy": "NumPy",
    "processor": "kind of processor",
    "code": "edge-mnv3's code",
}


class StoredSide(NamedTuple):
    """A model in an evaluation of the store.

    Attributes:
        run: The evaluation.
        role: Which of its files the model is.
        description: What the evaluation says of itself.
        images: The row of its images.
        facts: What is known of them.
    """

    run: StoredRun
    role: Role
    description: dict[str, Any]
    images: StoredImages
    facts: KeptFacts

    @property
    def model(self) -> dict[str, Any]:
        """What the evaluation says of the model."""
        found: dict[str, Any] = self.description["models"][_ROLES.index(self.role)]
        return found

    @property
    def conditions(self) -> dict[Condition, str]:
        """What must be the same of both models."""
        return {
            name: str(self.model["kernels"] if name == "kernels" else self.description[name])
            for name in CONDITIONS
        }

    @property
    def words(self) -> str:
        """Names it in a list to choose from."""
        conditions = self.conditions
        shown = (self.run.key[:_KEY_SHOWN], self.facts.data, conditions["kernels"], conditions["preprocess"])
        return " ".join(shown)

    @property
    def answers_depend_on(self) -> tuple[str, ...]:
        """Sides with the same are evaluations in the same way."""
        return (
            *self.conditions.values(),
            str(self.model["input_range"]),
            self.model["sha256"],
        )

    @property
    def answers_of(self) -> str:
        """Lists with the same have the same images with the same labels, wherever they lie."""
        from edge_mnv3_quantization.evaluation.labelled import kept_images

        kept = kept_images(self.images)
        whole = all(part.key for part in kept.parts)
        labels = sorted((place, [*labels]) for place, labels in kept.labels.items())
        return f"{self.run.key} {kept.parts} {labels}" if whole else self.facts.data


class Sides(NamedTuple):
    """Two models that can be compared.

    Attributes:
        a: The first one.
        b: The second one.
        differences: What is not the same of them, in words.
    """

    a: StoredSide
    b: StoredSide
    differences: tuple[str, ...]


def chosen_sides(
    store: Store,
    a: str,
    b: str,
    *,
    data: str | None,
    evaluations: Sequence[str],
    across: Sequence[Condition],
) -> Sides:
    """Finds the evaluations of two models that fit one another.

    Args:
        store: The store.
        a: A model file, or the beginning of the SHA-256 of one.
        b: The second model.
        data: Only evaluations of these images; None for any.
        evaluations: Only those whose keys begin so; empty for any.
        across: Conditions that may differ.

    Raises:
        ArgumentError: None fit, or several do, or the models are one.
        InputFileError: A model cannot be read, or the store has nothing of it.
    """
    hashes = [_sha256(store, what, given) for what, given in (("A", a), ("B", b))]
    if hashes[0] == hashes[1]:
        raise ArgumentError("models A and B", f"one file, {hashes[0][:_KEY_SHOWN]}", "two different models")
    of_a, of_b = ([*_sides(store, each, data=data, evaluations=evaluations)] for each in hashes)
    for what, given, found in (("A", a, of_a), ("B", b, of_b)):
        if not found:
            of = f" of {data}" if data else ""
            raise InputFileError(
                f"model {what}, {given}",
                f"no evaluation{of} with the names and labels of its images",
                "one that validate kept",
                "run validate on it, which takes known answers from the store; edge-mnv3 results list shows "
                "what is there",
            )
    pairs = [*itertools.product(of_a, of_b)]
    pairs = [(one, other) for one, other in pairs if one.facts.data == other.facts.data] or pairs
    fitting = [(one, other) for one, other in pairs if not _refused(one, other, across)]
    if not fitting:
        raise _unlike(*pairs[-1], across)
    return _one(fitting)


def _one(pairs: Sequence[tuple[StoredSide, StoredSide]]) -> Sides:
    """Takes the pair with the fewest differences, the latest of them, if all pairs are of the same kind."""
    for place, what in enumerate(("A", "B")):
        kinds = _kinds([pair[place] for pair in pairs])
        if len(kinds) > 1:
            several = len({side.run.key for side in kinds}) > 1
            raise ArgumentError(
                f"evaluations of model {what}",
                f"{len(kinds)} that fit: {'; '.join(side.words for side in kinds)}",
                "one",
                f"choose with {'--evaluation KEY or ' if several else ''}--data",
            )
    best = min(pairs, key=lambda pair: (len(_differences(*pair)), -pair[0].run.used_s - pair[1].run.used_s))
    return Sides(*best, tuple(_differences(*best)))


def _kinds(sides: Sequence[StoredSide]) -> list[StoredSide]:
    """One side of each kind: evaluations in the same way, at one place or of the same images."""
    ways = {(side.answers_depend_on, side.facts.data): side for side in sides}
    if len(ways) < 2:
        return [*ways.values()]
    return [*{(way, side.answers_of): side for (way, _), side in ways.items()}.values()]


def _sha256(store: Store, what: str, given: str) -> str:
    """The hash of a model: of a file, or of the one in the store whose hash begins so."""
    if Path(given).exists() or not _PREFIX.fullmatch(given.lower()):
        return sha256_model(Path(given))
    known = {
        str(model["sha256"])
        for run in store.runs()
        for model in json.loads(run.description)["models"]
        if model["sha256"].startswith(given.lower())
    }
    if len(known) != 1:
        raise ArgumentError(
            f"model {what}, {given}",
            f"{len(known)} models of that beginning: {', '.join(sorted(known))}"
            if known
            else "no such model",
            "a .tflite file, or the beginning of the SHA-256 of one model in the store",
            "edge-mnv3 results list --json shows them",
        )
    return next(iter(known))


def _sides(
    store: Store, sha256: str, *, data: str | None, evaluations: Sequence[str]
) -> Iterator[StoredSide]:
    from edge_mnv3_quantization.evaluation.labelled import kept_lists, known_location

    for run in store.runs():
        if evaluations and not run.key.startswith(tuple(evaluations)):
            continue
        description = json.loads(run.description)
        roles = [
            role
            for role, model in zip(_ROLES, description["models"], strict=False)
            if model["sha256"] == sha256 and len(description["models"]) == len(_ROLES)
        ]
        for role in roles:
            for images, facts in kept_lists(store, run.key):
                if data is None or facts.data == known_location(data):
                    yield StoredSide(run, role, description, images, facts)


def _refused(a: StoredSide, b: StoredSide, across: Sequence[Condition]) -> list[Condition]:
    ours, theirs = a.conditions, b.conditions
    return [name for name in CONDITIONS if ours[name] != theirs[name] and name not in across]


def _unlike(a: StoredSide, b: StoredSide, across: Sequence[Condition]) -> ArgumentError:
    names = _refused(a, b, across)
    told = "; ".join(f"{name} {a.conditions[name]} and {b.conditions[name]}" for name in names)
    return ArgumentError(
        "evaluations of A and B",
        told,
        "the same of both",
        f"run validate in one way, or compare in spite of it with --across {','.join(names)}",
    )


def _differences(a: StoredSide, b: StoredSide) -> list[str]:
    ours, theirs = a.conditions, b.conditions
    told = [f"{name} {ours[name]} and {theirs[name]}" for name in CONDITIONS if ours[name] != theirs[name]]
    for name, words in _TOLD.items():
        one, other = a.description[name], b.description[name]
        if one != other:
            values = f" {one} and {other}" if name in ("shape", "numpy") else ""
            told.append(f"{words}{values}")
    return told
