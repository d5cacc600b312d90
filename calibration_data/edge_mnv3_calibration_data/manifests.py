"""What identifies a sample of images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from edge_mnv3.core.results.images import ImageRecord


def manifest_sha256(preprocess: str, input_size_px: int, records: Iterable[ImageRecord]) -> str:
    """What identifies a manifest: equal ones give equal pixels."""
    lines = [preprocess, str(input_size_px), *(record.sha256 for record in records)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
