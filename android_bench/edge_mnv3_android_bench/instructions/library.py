"""The runtime's library for aarch64: its code, and the names of its functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import RuntimeUnavailableError


def _layout(fields: str) -> np.dtype[np.void]:
    """Makes a row's type of `NAME:BYTES` for each field, in the file's order; numbers, lowest byte first."""
    pairs = [field.split(":") for field in fields.split()]
    return np.dtype([(name, f"V{size}" if size == "16" else f"<u{size}") for name, size in pairs])


# Layouts of the ELF-64 specification.
_HEADER = _layout(
    "ident:16 type:2 machine:2 version:4 entry:8 segments_at:8 sections_at:8 flags:4 size:2"
    " segment_size:2 segments:2 section_size:2 sections:2 names:2"
)
_SEGMENT = _layout("type:4 flags:4 offset:8 address:8 physical:8 size:8 size_in_memory:8 align:8")
_SECTION = _layout("name:4 type:4 flags:8 address:8 offset:8 size:8 link:4 info:4 align:8 entry_size:8")
_SYMBOL = _layout("name:4 info:1 other:1 section:2 address:8 size:8")
_MAGIC, _AARCH64 = b"\x7fELF\x02\x01", 183
_LOAD, _EXECUTABLE = 1, 1
_SYMBOL_TABLE, _FUNCTION, _KIND = 2, 2, 0xF
_MANGLED = re.compile(r"_ZL?(?:N[rVKRO]*)?(?=\d)")
_IDENTIFIER = re.compile(r"\d+")
_ANONYMOUS = "_GLOBAL__N_"
NO_NAME = "code without a name"


@dataclass(frozen=True, slots=True)
class Library:
    """A library's code and functions; addresses are those of the file, which a process adds its base to.

    Attributes:
        path: The file.
        start: Address of its first instruction.
        words: Its instructions, (n,) uint32.
        addresses: Where its functions start, ascending, (functions,) int64.
        names: Their names, as the linker has them.
    """

    path: Path
    start: int
    words: npt.NDArray[np.uint32]
    addresses: npt.NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Size of its code."""
        return self.words.nbytes

    def has(self, function: str) -> bool:
        """Whether it has a function of this name."""
        return function in self.names

    def functions_at(self, addresses: npt.NDArray[np.int64]) -> list[str]:
        """Names the function that each address lies in."""
        numbers = np.searchsorted(self.addresses, addresses, side="right") - 1
        return [self.names[number] if number >= 0 else NO_NAME for number in numbers.tolist()]


def read_library(path: Path) -> Library:
    """Reads a library.

    Raises:
        RuntimeUnavailableError: It is no library for aarch64, or its functions have no names.
        OSError: It cannot be read.
    """
    content = path.read_bytes()
    header = _rows(content, _HEADER, 0, 1)
    if len(header) < 1 or content[:6] != _MAGIC or header["machine"][0] != _AARCH64:
        raise RuntimeUnavailableError(f"library {path}", "no ELF file for aarch64", "the runtime's library")
    head = header[0]
    segments = _rows(content, _SEGMENT, int(head["segments_at"]), int(head["segments"]))
    code = segments[(segments["type"] == _LOAD) & (segments["flags"] & _EXECUTABLE > 0)]
    sections = _rows(content, _SECTION, int(head["sections_at"]), int(head["sections"]))
    tables = sections[sections["type"] == _SYMBOL_TABLE]
    if len(code) != 1 or len(tables) != 1:
        raise RuntimeUnavailableError(
            f"library {path}",
            f"{len(code)} segments of code and {len(tables)} tables of symbols",
            "one of each, as LiteRT 2 has them",
        )
    table, names = tables[0], sections[int(tables[0]["link"])]
    symbols = _rows(content, _SYMBOL, int(table["offset"]), int(table["size"]) // _SYMBOL.itemsize)
    functions = symbols[(symbols["info"] & _KIND == _FUNCTION) & (symbols["section"] != 0)]
    functions = functions[np.argsort(functions["address"], kind="stable")]
    texts = content[int(names["offset"]) : int(names["offset"]) + int(names["size"])]
    start, words = int(code[0]["address"]), int(code[0]["size"]) // 4
    return Library(
        path=path,
        start=start,
        words=np.frombuffer(content, "<u4", words, int(code[0]["offset"])),
        addresses=functions["address"].astype(np.int64),
        names=tuple(_text(texts, at) for at in functions["name"].tolist()),
    )


def readable(name: str) -> str:
    """Writes a C++ name without arguments, `tflite::ops::builtin::conv::Eval`; others stay as they are."""
    mangled = _MANGLED.match(name)
    if mangled is None:
        return name
    parts, at = [], mangled.end()
    while found := _IDENTIFIER.match(name, at):
        at = found.end() + int(found[0])
        parts.append(name[found.end() : at])
    return "::".join(part for part in parts if not part.startswith(_ANONYMOUS)) or name


def _rows(content: bytes, kind: np.dtype[np.void], offset: int, count: int) -> npt.NDArray[np.void]:
    """Takes rows of a table out of a file; fewer where the file ends before."""
    there = max(0, (len(content) - offset) // kind.itemsize)
    return np.frombuffer(content, kind, min(count, there), offset if there else 0)


def _text(texts: bytes, at: int) -> str:
    return texts[at : texts.index(b"\0", at)].decode("ascii", "replace")
