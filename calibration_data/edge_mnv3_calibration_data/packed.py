"""Columns of tables that may have millions of rows: values without a Python object for each."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar, overload

T = TypeVar("T", bound=Hashable)
V = TypeVar("V", bound=Hashable)
Row = TypeVar("Row", covariant=True)


class Rows(Sequence[Row]):
    """Values that are made when they are asked for, and taken as those of a tuple are."""

    @abstractmethod
    def at(self, place: int) -> Row:
        """The value at a place, 0 to less than the length."""

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self.at(place) for place in range(*index.indices(len(self)))]
        return self.at(_place(index, len(self)))


class Texts(Rows[str]):
    """Texts, in their bytes and eight more each; lone surrogates, as in names of files, are kept."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Takes the first texts."""
        self._bytes, self._ends = bytearray(), array("q", [0])
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Adds one."""
        self._bytes += text.encode("utf-8", "surrogateescape")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def at(self, place: int) -> str:
        """One of them."""
        found = self._bytes[self._ends[place] : self._ends[place + 1]]
        return found.decode("utf-8", "surrogateescape")


class Coded(Rows[T]):
    """Values of which many are the same, in four bytes each; every different one is one object."""

    def __init__(self, values: Iterable[T] = ()) -> None:
        """Takes the first values."""
        self._codes = array("i")
        self._code_of: dict[T, int] = {}
        self._distinct: list[T] = []
        for value in values:
            self.append(value)

    def append(self, value: T) -> None:
        """Adds one."""
        self._codes.append(self._code(value))

    def __setitem__(self, index: int, value: T) -> None:
        self._codes[_place(index, len(self))] = self._code(value)

    @property
    def distinct(self) -> Sequence[T]:
        """The different values, in the order of the first of each."""
        return self._distinct

    def first(self, wanted: Callable[[T], bool]) -> int | None:
        """The place of the first value that is wanted; None where none is."""
        for code, value in enumerate(self._distinct):
            if wanted(value):
                return self._codes.index(code)
        return None

    def mapped(self, change: Callable[[T], V]) -> Coded[V]:
        """Other values for these, each different one asked for once."""
        other = Coded[V]()
        codes = [other._code(change(value)) for value in self._distinct]
        other._codes = array("i", (codes[code] for code in self._codes))
        return other

    def _code(self, value: T) -> int:
        code = self._code_of.setdefault(value, len(self._distinct))
        if code == len(self._distinct):
            self._distinct.append(value)
        return code

    def __len__(self) -> int:
        return len(self._codes)

    def at(self, place: int) -> T:
        """One of them."""
        return self._distinct[self._codes[place]]


def _place(index: int, length: int) -> int:
    place = index + length if index < 0 else index
    if not 0 <= place < length:
        raise IndexError(index)
    return place
