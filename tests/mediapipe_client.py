"""What an app with MediaPipe Tasks does, run by a Python that has MediaPipe.

MediaPipe brings half a gigabyte, and libraries that TensorFlow has too, so it lives in a process, and if need
be in another environment. Nothing of this project is imported here.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def classify(model: Path, images: Path, answers: Path) -> None:
    """Classifies the images of an `.npz`; writes each one's scores by class, and the labels, best first."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import ImageClassifier, ImageClassifierOptions

    options = ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(model)), max_results=-1)
    scores, labels = [], []
    with ImageClassifier.create_from_options(options) as classifier, np.load(images) as pixels:
        for name in pixels.files:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels[name])
            categories = classifier.classify(image).classifications[0].categories
            by_class = np.full(len(categories), np.nan, np.float32)
            by_class[[category.index for category in categories]] = [
                category.score for category in categories
            ]
            scores.append(by_class)
            labels.append([category.category_name or "" for category in categories[:5]])
    np.savez(answers, scores=np.stack(scores), labels=np.array(labels))


def embed(model: Path, images: Path, answers: Path) -> None:
    """Embeds the images of an `.npz`; writes each one's embedding, and the name of the head."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import ImageEmbedder, ImageEmbedderOptions

    options = ImageEmbedderOptions(base_options=BaseOptions(model_asset_path=str(model)))
    embeddings, heads = [], []
    with ImageEmbedder.create_from_options(options) as embedder, np.load(images) as pixels:
        for name in pixels.files:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels[name])
            (answer,) = embedder.embed(image).embeddings
            embeddings.append(np.asarray(answer.embedding, np.float32))
            heads.append(answer.head_name or "")
    np.savez(answers, embeddings=np.stack(embeddings), heads=np.array(heads))


def read_metadata(metadata: Path) -> None:
    """Prints what MediaPipe's generated classes read from a flatbuffer of metadata."""
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    read = schema.ModelMetadataT.InitFromPackedBuf(metadata.read_bytes(), 0)
    sys.stdout.write(json.dumps(_plain(read)))


def list_tables() -> None:
    """Prints the tables of MediaPipe's generated classes with their fields in the order of their ids."""
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    tables = {
        name.removesuffix("T"): list(vars(kind()))
        for name, kind in inspect.getmembers(schema, inspect.isclass)
        if name.endswith("T")
    }
    sys.stdout.write(json.dumps(tables))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {name: _plain(item) for name, item in vars(value).items()}
    return value


def main() -> None:
    """Runs one of the functions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("function", choices=("classify", "embed", "read_metadata", "list_tables"))
    parser.add_argument("paths", nargs="*", type=Path)
    arguments = parser.parse_args()
    globals()[arguments.function](*arguments.paths)


if __name__ == "__main__":
    main()
