"""What a user of the small network has: its float file, labelled pictures, names of its classes."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from int8_pairs import CLASSES, IMAGES, float_file, small_network


def write_inputs(folder: Path) -> None:
    """Writes `float.tflite`, `pictures/`, their labels as `labelled.csv`, and `names.txt`."""
    (folder / "float.tflite").write_bytes(float_file(small_network()))
    pictures = folder / "pictures"
    pictures.mkdir()
    for place, image in enumerate(IMAGES):
        Image.fromarray(image).save(pictures / f"{place:02}.png")
    rows = [f"pictures/{place:02}.png,{place % CLASSES}" for place in range(len(IMAGES))]
    (folder / "labelled.csv").write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    names = "\n".join(f"class {index}" for index in range(CLASSES))
    (folder / "names.txt").write_text(names, encoding="utf-8")
