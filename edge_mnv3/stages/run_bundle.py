"""The bundle of a run: replaced only where every file in it is the one that was packaged."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.errors import EdgeMnv3Error, OutputError
from edge_mnv3.packaging.bundle import read_bundle
from edge_mnv3.packaging.manifest import file_differences, read_manifest


def check_bundle(path: Path) -> None:
    """Refuses a bundle, folder or zip, that holds something else than what was packaged.

    Raises:
        OutputError: It does; the text names the first such file.
    """
    try:
        files = read_bundle(path).files
        differences = file_differences(files, read_manifest(files))
    except (EdgeMnv3Error, OSError) as error:
        differences = [str(error)]
    if differences:
        raise OutputError(
            f"bundle {path}",
            differences[0],
            "what the run wrote, which it replaces",
            "move what is yours away, or use another -o",
        )
