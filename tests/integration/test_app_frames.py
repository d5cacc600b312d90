"""Camera frames and bitmaps of any kind in Kotlin, compiled and run with doubles of Android's classes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from app_compiling import FEATURES, RUN_TIMEOUT_S, SHORT_RUN, SQUARE, picture, write_model
from edge_mnv3.core.process import run
from edge_mnv3.core.runtime import open_model
from edge_mnv3_calibration_data.preprocess import preprocess

pytestmark = pytest.mark.xdist_group("app_compilers")  # Kotlin is compiled once


def padded(rows: npt.NDArray[np.uint8], row_stride: int, pixel_stride: int) -> bytes:
    """One channel as a camera lays it out: noise between the pixels, and the last row not filled up."""
    height, width = rows.shape
    laid = np.random.default_rng(1).integers(0, 256, (height, row_stride), np.uint8)
    laid[:, : width * pixel_stride : pixel_stride] = rows
    return laid.tobytes()[: row_stride * (height - 1) + (width - 1) * pixel_stride + 1]


def of_yuv(luma: npt.NDArray[Any], blueness: npt.NDArray[Any], redness: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """RGB by the constants of JFIF, in real numbers; each chroma pixel colours two by two."""
    height, width = luma.shape
    cb, cr = (
        plane.repeat(2, 0).repeat(2, 1)[:height, :width].astype(float) - 128 for plane in (blueness, redness)
    )
    light = luma.astype(float)
    colours = [light + 1.402 * cr, light - 0.344136 * cb - 0.714136 * cr, light + 1.772 * cb]
    return np.clip(np.stack(colours, -1), 0, 255)


FRAME_WIDTH, FRAME_HEIGHT, CROP = 46, 34, (2, 4, 45, 33)

BOTH_FAIL = "refused IllegalStateException: the model cannot be run"
SAID = [
    "refused IllegalArgumentException: a bitmap of ALPHA_8 has no colours",
    "refused IllegalArgumentException: transparent pixels have lost their colours: decode with "
    "inPremultiplied = false, or draw it on a background",
    "refused IllegalArgumentException: rotation by 45 degrees: expected a multiple of 90",
    "refused IllegalArgumentException: EXIF orientation 9: expected 0 to 8",
    "refused IllegalArgumentException: 3 pixels for an image of 2 x 2",
    "refused IllegalArgumentException: camera image of format 256: expected YUV_420_888 or RGBA_8888",
    "refused IllegalArgumentException: a crop of 2,4 to 999,33 in a camera image of 46 x 34",
    "refused IllegalArgumentException: 2 bytes, expected 3072",
    "refused IllegalStateException: the model is closed",
    "log edgemnv3 no GPU for uint8.tflite, it runs on the CPU: "
    "com.google.ai.edge.litert.LiteRtException: no GPU here",
    "runs on CPU",
    "told no GPU here",
    "runs on CPU",
    "'' runs on GPU, then on GPU, 1 open",
    "told no room for buffers",
    "'buffers' runs on CPU, then on CPU, 1 open",
    "told the GPU hangs",
    "'run' runs on CPU, then on CPU, 1 open",
    "told the GPU answers a black image otherwise than the CPU",
    "'other 1' runs on CPU, then on CPU, 1 open",
    "told the GPU answers noise otherwise than the CPU",
    "'other 2' runs on CPU, then on CPU, 1 open",
    "told the GPU hangs",
    "'run 4' runs on GPU, then on CPU, 1 open",
    "told the GPU gave numbers that are not finite",
    "runs on CPU",
    "told the GPU answers image_07.rgb otherwise than the CPU",
    "told the GPU hangs",
    "features run on CPU",
    "refused IllegalArgumentException: 3 bytes, expected 3072",
    "told 3 bytes, expected 3072",
    "runs on CPU",
    *2 * (f"{BOTH_FAIL}, on the GPU: the GPU hangs; on the CPU: no memory",),
    "told the GPU hangs",
    "refused IllegalStateException: the model is closed",
    f"{BOTH_FAIL}, on the GPU: no memory; on the CPU: no memory",
    "refused IllegalArgumentException: NPU: expected CPU or GPU",
]


def write_frames(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Writes camera images of both formats in all rotations; returns the upright crops as real numbers."""
    rng = np.random.default_rng(5)
    rgb = np.asarray(picture(FRAME_WIDTH, FRAME_HEIGHT))
    rgba = np.dstack([rgb, rng.integers(0, 256, rgb.shape[:2], np.uint8)])
    (folder / "rgba").write_bytes(padded(rgba.reshape(FRAME_HEIGHT, -1), FRAME_WIDTH * 4 + 24, 1))
    luma = rng.integers(0, 256, (FRAME_HEIGHT, FRAME_WIDTH), np.uint8)
    chroma = [rng.integers(0, 256, (FRAME_HEIGHT // 2, FRAME_WIDTH // 2), np.uint8) for _ in range(2)]
    (folder / "luma").write_bytes(padded(luma, 64, 1))
    planes = {"planar": (1, 32), "interleaved": (2, 50)}
    for kind, (pixel, row) in planes.items():
        for name, plane in zip(("cb", "cr"), chroma, strict=True):
            (folder / f"{name}_{kind}").write_bytes(padded(plane, row, pixel))
    left, top, right, bottom = CROP
    expected, lines = {}, []
    for degrees in (0, 90, 180, 270):
        of = f"{FRAME_WIDTH} {FRAME_HEIGHT} {left} {top} {right} {bottom} {degrees}"
        lines.append(f"rgba{degrees} 1 {of} rgba {FRAME_WIDTH * 4 + 24} 4")
        sources = {"rgba": rgb.astype(float)}
        for kind, (pixel, row) in planes.items():
            lines.append(f"{kind}{degrees} 35 {of} luma 64 1 cb_{kind} {row} {pixel} cr_{kind} {row} {pixel}")
            sources[kind] = of_yuv(luma, *chroma)
        for kind, colours in sources.items():
            # numpy turns the other way round.
            expected[f"{kind}{degrees}"] = np.rot90(colours[top:bottom, left:right], -degrees // 90)
    (folder / "frames.txt").write_text("\n".join(lines))
    return expected


def test_kotlin_reads_cameras_and_bitmaps_of_any_kind(
    kotlin_home: Path, kotlin_classes: Path, tmp_path: Path
) -> None:
    image = picture(41, 29)
    image.save(tmp_path / "image.ppm")
    model = open_model(write_model(tmp_path, "uint8"))
    raw = model.run(preprocess(image, name="slim", shape=SQUARE))
    (tmp_path / "uint8.tflite.output").write_bytes(raw.tobytes())
    (tmp_path / "float32.tflite.output").write_bytes(np.arange(5, dtype=np.float32).tobytes())
    (tmp_path / "features.tflite.features.output").write_bytes(np.array(FEATURES, np.float32).tobytes())
    expected = write_frames(tmp_path)
    classpath = os.pathsep.join((str(kotlin_classes), str(kotlin_home / "lib" / "kotlin-stdlib.jar")))
    done = run(
        ["java", *SHORT_RUN, "-cp", classpath, "edgemnv3.tests.MainKt", str(tmp_path)],
        timeout_s=RUN_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    for name, colours in expected.items():
        got = np.frombuffer((tmp_path / f"{name}.rgb").read_bytes(), np.uint8).reshape(colours.shape)
        # Rounded to the nearest; the six digits of JFIF's constants leave a hundredth.
        assert np.abs(got - colours).max() <= 0.51, name
        pixels = np.frombuffer((tmp_path / f"{name}.pixels").read_bytes(), np.uint8)
        wanted = preprocess(Image.fromarray(got), name="slim", shape=SQUARE)
        assert np.array_equal(pixels.reshape(wanted.shape), wanted), name
    for orientation in range(9):
        exif = image.getexif()
        exif[0x0112] = orientation
        turned = image.copy()
        turned.info["exif"] = exif.tobytes()
        upright = ImageOps.exif_transpose(turned)
        assert (tmp_path / f"exif{orientation}.rgb").read_bytes() == upright.tobytes(), orientation
    assert done.stdout.splitlines() == SAID
