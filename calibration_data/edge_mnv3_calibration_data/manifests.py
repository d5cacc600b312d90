"""What identifies a sample of images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from edge_mnv3.core.results.images import ImageRecord, ImageShape


def manifest_sha256(preprocess: str, shape: ImageShape, records: Iterable[ImageRecord]) -> str:
    """What identifies a manifest: equal ones give equal pixels."""
    # Of square RGB images the side alone, as it was before there were others.
    size = str(shape.side_px) if shape.side_px and not shape.is_grey else "x".join(map(str, shape.dimensions))
    lines = [preprocess, size, *(record.sha256 for record in records)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
