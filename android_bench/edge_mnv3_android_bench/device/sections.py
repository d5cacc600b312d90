"""What scripts on a device print: sections, each behind a heading."""

from __future__ import annotations

import re

HEADING = "== edge-mnv3 "
_KIB = 1024


def split_sections(text: str) -> dict[str, str]:
    """Splits what a script printed at its headings: name to text."""
    parts = re.split(rf"^{re.escape(HEADING)}(\w+)$\n?", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def parse_meminfo(text: str) -> dict[str, int]:
    """Reads `/proc/meminfo`: name to bytes."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB\s*$", text, re.MULTILINE)
    return {name: int(kib) * _KIB for name, kib in rows}
