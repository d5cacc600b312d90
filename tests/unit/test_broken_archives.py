"""Archives of the user's whose members cannot be taken out: an error of one line, whatever reads them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.model.model_files import model_format, read_config, saved_by_keras
from edge_mnv3_calibration_data.sources.npz import open_npz
from edge_mnv3_quantization.calibration.counted_files import load_counted
from edge_mnv3_quantization.calibration.statistics import load_statistics

_LOCAL, _CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def written(path: Path, names: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return path


def changed(path: Path, offset: int, value: int) -> None:
    """Writes a byte at the same place of every header."""
    content = bytearray(path.read_bytes())
    for mark, behind in ((_LOCAL, 0), (_CENTRAL, 2)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset + behind] = value
            place = content.find(mark, place + 1)
    path.write_bytes(content)


ENCRYPTED, UNKNOWN_METHOD = (6, 1), (8, 97)


@pytest.mark.parametrize("harm", [ENCRYPTED, UNKNOWN_METHOD])
@pytest.mark.parametrize(
    ("read", "names"),
    [
        (load_counted, ("facts.json", "sha256.txt")),
        (load_statistics, ("format.npy",)),
        (open_npz, ("images.npy",)),
        (read_config, ("config.json", "metadata.json")),
    ],
)
def test_members_that_cannot_be_read(
    tmp_path: Path, read: Callable[[Path], Any], names: tuple[str, ...], harm: tuple[int, int]
) -> None:
    path = written(tmp_path / "a.npz", names)
    changed(path, *harm)
    with pytest.raises(InputFileError) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_what_saved_an_encrypted_model_is_not_known(tmp_path: Path) -> None:
    path = written(tmp_path / "a.keras", ("metadata.json",))
    changed(path, *ENCRYPTED)
    assert saved_by_keras(path) is None


def test_a_list_of_members_that_is_cut_in_an_archive_of_keras(tmp_path: Path) -> None:
    path = written(tmp_path / "a.keras", ("config.json", "model.weights.h5"))
    content = path.read_bytes()
    place = content.index(_CENTRAL)
    path.write_bytes(content[:place] + b"XX" + content[place + 2 :])
    # From Python 3.14 on, zipfile itself does not take it for an archive.
    with pytest.raises(InputFileError, match="a damaged zip archive|none of them, or a truncated one"):
        model_format(path)


def test_numbers_are_still_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4, 3), np.uint8))
    assert open_npz(tmp_path / "a.npz").available == 2
