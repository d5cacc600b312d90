"""Why images are left out: what may pass is told from what their bytes are, and only the latter is kept."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.errors import InputFileError, UnusableImageError
from edge_mnv3.core.images import NO_MEMORY, ImageSource
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data import decode as decoding
from edge_mnv3_calibration_data.decode import decode
from edge_mnv3_calibration_data.listed_images import FileImage, HeldImages, ListedSource, LoadedImage
from edge_mnv3_quantization.evaluation.contents import Hashed
from edge_mnv3_quantization.evaluation.evaluating import Shard, UnopenedImageError, decoded

SHAPE = ImageShape.square(4)
PIXELS = np.zeros((4, 4, 3), np.uint8)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return buffer.getvalue()


def source(folder: Path, contents: list[bytes]) -> ListedSource:
    for number, content in enumerate(contents):
        (folder / f"{number}.png").write_bytes(content)
    images = HeldImages(
        FileImage(name=f"{number}.png", label=None, folder=folder) for number in range(len(contents))
    )
    return ListedSource(kind="folder", location=str(folder), root=folder, images=images)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Lets image 1 of any source fail."""
    original = FileImage.load

    def load(self: FileImage, *, shape: ImageShape, preprocess: str) -> LoadedImage:
        if self.name == "1.png":
            raise error
        return original(self, shape=shape, preprocess=preprocess)

    monkeypatch.setattr(FileImage, "load", load)


def read(images: ImageSource, **how: object) -> tuple[list[object], list[Hashed | None]]:
    files: list[Hashed | None] = []
    shard = Shard(0, images, range(images.available or 0), **how)  # type: ignore[arg-type]
    loaded = [each if isinstance(each, str) else "read" for each in decoded(shard, SHAPE, "resize", files)]
    return list(loaded), files


def test_damage_is_a_fact_of_the_bytes(tmp_path: Path) -> None:
    loaded, files = read(source(tmp_path, [png(), b"no image"]), must_open=True)
    assert loaded == ["read", "not an image, or of a format that Pillow does not know"]
    assert [file is not None for file in files] == [True, True]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputFileError("image 1.png", "input/output error"), "input/output error"),
        (InputFileError("image 1.png", "ClientConnectorError", "", ""), "ClientConnectorError"),
        (InputFileError("image 1.png", NO_MEMORY), NO_MEMORY),
        (MemoryError(), NO_MEMORY),
    ],
)
def test_what_may_pass_is_no_fact_of_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    images = source(tmp_path, [png(), png(), png()])
    failing(monkeypatch, error)
    loaded, files = read(images)
    assert loaded == ["read", reason, "read"]
    assert [file is not None for file in files] == [True, False, True]
    with pytest.raises(UnopenedImageError) as caught:
        read(images, must_open=True)
    assert (caught.value.place, caught.value.name, caught.value.reason) == (1, "1.png", reason)
    # What is to be had nowhere is left out, and nothing else.
    assert read(images, must_open=True, absent=frozenset({1}))[0] == loaded
    with pytest.raises(UnopenedImageError):
        read(images, must_open=True, absent=frozenset({0, 2}))


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ETIMEDOUT, errno.ECONNRESET, errno.ENOENT])
def test_what_a_system_refuses_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    images = source(tmp_path, [png()])

    def refuse(path: Path) -> bytes:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert read(images) == (["refused"], [None])


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (lambda: MemoryError(), InputFileError, NO_MEMORY),
        (lambda: OSError("out of memory error when reading image file"), InputFileError, NO_MEMORY),
        (lambda: RuntimeError("Memory allocation error"), InputFileError, NO_MEMORY),
        (lambda: OSError("image file is truncated"), UnusableImageError, "corrupt: image file is truncated"),
    ],
)
def test_decoders_that_get_no_memory_are_told_from_damage(
    monkeypatch: pytest.MonkeyPatch, raised: Callable[[], Exception], kind: type[Exception], words: str
) -> None:
    def fail(image: Image.Image) -> Image.Image:
        raise raised()

    monkeypatch.setattr(decoding, "_rgb", fail)
    with pytest.raises(InputFileError) as caught:
        decode(png(), name="a.png")
    assert type(caught.value) is kind
    assert caught.value.got.startswith(words)
