"""Damage to logs, drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Damaged(NamedTuple):
    """A damaged log.

    Attributes:
        kind: Name of the damage.
        changes_digits: A number may have become another well-formed number.
    """

    kind: str
    stdout: str
    stderr: str
    changes_digits: bool


def damage(text: str, others: Sequence[str], chance: random.Random) -> Damaged:
    """Damages a log once or twice; `others` are logs to be joined with it."""
    kind, once = chance.choice(_KINDS)
    damaged = once(text, others, chance)
    if damaged and chance.random() < 0.3:
        second, again = chance.choice(_KINDS)
        kind, damaged = f"{kind}, {second}", again(damaged, others, chance)
    stderr = ""
    if chance.random() < 0.05:
        kind = f"{kind}, split"
        damaged, stderr = _split(damaged, chance)
    digits = any(name in kind for name in ("digit", "bytes"))
    return Damaged(kind, damaged, stderr, digits)


def _cut(text: str, others: Sequence[str], chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] if chance.random() < 0.7 else text[place:]


def _delete_lines(text: str, others: Sequence[str], chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    start = chance.randrange(len(lines) + 1)
    return "".join(lines[:start] + lines[start + chance.choice((1, 1, 2, 5)) :])


def _delete_bytes(text: str, others: Sequence[str], chance: random.Random) -> str:
    start = chance.randrange(len(text) + 1)
    return text[:start] + text[start + chance.choice((1, 2, 3, 10, 100)) :]


def _duplicate_lines(text: str, others: Sequence[str], chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    start = chance.randrange(len(lines) + 1)
    part = lines[start : start + chance.choice((1, 1, 2, 5))]
    place = chance.randrange(len(lines) + 1)
    return "".join(lines[:place] + part + lines[place:])


def _move_lines(text: str, others: Sequence[str], chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    start = chance.randrange(len(lines) + 1)
    part = lines[start : start + chance.choice((1, 1, 2, 5))]
    del lines[start : start + len(part)]
    place = chance.randrange(len(lines) + 1)
    return "".join(lines[:place] + part + lines[place:])


def _shuffle(text: str, others: Sequence[str], chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    chance.shuffle(lines)
    return "".join(lines)


def _join(text: str, others: Sequence[str], chance: random.Random) -> str:
    other = chance.choice(others)
    first, second = (text, other) if chance.random() < 0.5 else (other, text)
    if chance.random() < 0.3:
        return first + second
    lines, more = first.splitlines(keepends=True), second.splitlines(keepends=True)
    return "".join(lines[: chance.randrange(len(lines) + 1)] + more[chance.randrange(len(more) + 1) :])


def _interleave(text: str, others: Sequence[str], chance: random.Random) -> str:
    lines, more = text.splitlines(keepends=True), chance.choice(others).splitlines(keepends=True)
    mixed = []
    while lines or more:
        source = lines if lines and (not more or chance.random() < 0.5) else more
        mixed.append(source.pop(0))
    return "".join(mixed)


def _swap_line(text: str, others: Sequence[str], chance: random.Random) -> str:
    """Puts a line of another log in the place of one."""
    lines, more = text.splitlines(keepends=True), chance.choice(others).splitlines(keepends=True)
    lines[chance.randrange(len(lines))] = chance.choice(more)
    return "".join(lines)


def _overwrite(text: str, others: Sequence[str], chance: random.Random) -> str:
    """Puts a character that is no digit over any other."""
    place = chance.randrange(len(text))
    return text[:place] + chance.choice("=: .,xe-+\n\t\r\x00\ufffdI") + text[place + 1 :]


def _change_digit(text: str, others: Sequence[str], chance: random.Random) -> str:
    """Changes one digit; two that turn both copies of a figure into the same other one nobody could see."""
    places = [place for place, character in enumerate(text) if character in "0123456789"]
    if not places:
        return text
    place = chance.choice(places)
    return text[:place] + chance.choice("0123456789") + text[place + 1 :]


def _relabel(text: str, others: Sequence[str], chance: random.Random) -> str:
    labels = ("count", "first", "curr", "min", "max", "avg", "std", "median", "Init", "Warmup", "Inference")
    present = [label for label in labels if label in text] or ["S"]
    return text.replace(chance.choice(present), chance.choice(labels), chance.choice((1, 2, -1)))


def _split(text: str, chance: random.Random) -> tuple[str, str]:
    streams: tuple[list[str], list[str]] = ([], [])
    for line in text.splitlines(keepends=True):
        streams[chance.random() < 0.2].append(line)
    return "".join(streams[0]), "".join(streams[1])


_KINDS: tuple[tuple[str, Callable[[str, Sequence[str], random.Random], str]], ...] = (
    ("cut", _cut),
    ("lines deleted", _delete_lines),
    ("bytes deleted", _delete_bytes),
    ("lines doubled", _duplicate_lines),
    ("lines moved", _move_lines),
    ("shuffled", _shuffle),
    ("joined", _join),
    ("interleaved", _interleave),
    ("line of another", _swap_line),
    ("overwritten", _overwrite),
    ("digit changed", _change_digit),
    ("relabelled", _relabel),
)
