"""The metadata in front of `model_card.md`, as Hugging Face's hub reads them: YAML between lines of dashes.

Source of the fields: huggingface.co/docs/hub/model-cards, and `model-index` as in Papers with Code's schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from edge_mnv3.core.results.package import BundleManifest, PackagedModel
from edge_mnv3.core.results.stated import StatedAccuracy, StatedComparison

# The hub's identifiers of licences, by their names in lower case.
_LICENSES = {
    name.lower(): name
    for name in (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"),
        *(
            "cc-by-nc-4.0",
            "cc-by-nc-sa-4.0",
            "gpl-2.0",
            "gpl-3.0",
            "lgpl-3.0",
            "agpl-3.0",
            "mpl-2.0",
            "openrail",
        ),
    )
}
_CLASSIFICATION = "image-classification"
_TASKS = {
    "classes": _CLASSIFICATION,
    "binary": _CLASSIFICATION,
    "labels": _CLASSIFICATION,
    "embedding": "image-feature-extraction",
    "map": "image-feature-extraction",
}
Value = str | float | Mapping[str, "Value"] | Sequence["Value"]


def card_metadata(manifest: BundleManifest) -> str:
    """Writes the block, with the lines of dashes around it.

    What is not known is left out: no licence, no results where none were packaged, and never a base model,
    which the hub wants as the name of one of its own repositories.
    """
    fields: dict[str, Value] = {}
    if manifest.license is not None:
        known = _LICENSES.get(manifest.license.lower())
        fields |= {"license": known} if known else {"license": "other", "license_name": manifest.license}
    fields["pipeline_tag"] = _task(manifest.models[0])
    fields["tags"] = [
        "tflite",
        "litert",
        *(["int8"] if _full_integer(manifest) else []),
        *_networks(manifest),
    ]
    results = [result for model in manifest.models for result in _results(model)]
    if results:
        fields["model-index"] = [{"name": manifest.name, "results": results}]
    return "\n".join(("---", *_lines(fields, ""), "---"))


def _task(model: PackagedModel) -> str:
    facts = model.outputs[0].facts
    return _TASKS["classes" if facts is None else facts.task]


def _full_integer(manifest: BundleManifest) -> bool:
    return all(model.full_integer for model in manifest.models)


def _networks(manifest: BundleManifest) -> list[str]:
    """The tag of the network, where `quantize.json` says that it is a variant."""
    made = [model.provenance for model in manifest.models]
    return ["mobilenet_v3"] if all(each is not None and each.variant is not None for each in made) else []


def _results(model: PackagedModel) -> Iterator[Mapping[str, Value]]:
    """Those of each output, whose task it is."""
    if model.accuracy is not None:
        stated = model.accuracy
        task: dict[str, Value] = {"type": _CLASSIFICATION}
        yield {"task": task, "dataset": _dataset(stated), "metrics": _accuracy(stated, model.file)}
    elif model.comparison is not None:
        for output in model.comparison.outputs:
            metrics = [
                _metric(score.name, score.int8_percent, f"{model.file}, {output.output.name}")
                for score in output.scores
            ]
            if metrics:
                task = {"type": _TASKS[output.output.task]}
                yield {"task": task, "dataset": _dataset(model.comparison), "metrics": metrics}


def _dataset(stated: StatedAccuracy | StatedComparison) -> Mapping[str, Value]:
    """The user's images: no data set of the hub, so that its type says no more than that."""
    return {
        "type": "custom",
        "name": f"{stated.n} images of {stated.data}, preprocessing {stated.preprocess}",
    }


def _accuracy(stated: StatedAccuracy, file: str) -> list[Value]:
    metrics = [_metric("top-1 accuracy", stated.top1_percent, file, kind="accuracy")]
    return [*metrics, _metric("top-5 accuracy", stated.top5_percent, file)]


def _metric(name: str, percent: float, of: str, *, kind: str | None = None) -> Value:
    return {"type": kind or name, "name": f"{name}, % ({of})", "value": round(percent, 2)}


def _lines(fields: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, value in fields.items():
        if isinstance(value, str | float):
            yield f"{indent}{key}: {_scalar(value)}"
        elif isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{key}:"
            for item in value:
                yield from _item(item, indent)


def _item(item: Value, indent: str) -> Iterator[str]:
    if not isinstance(item, Mapping):
        yield f"{indent}- {_scalar(item)}"
        return
    first, *rest = _lines(item, indent + "  ")
    yield f"{indent}- {first.lstrip()}"
    yield from rest


def _scalar(value: object) -> str:
    """A number, or a text in double quotes, as YAML and JSON write them; invisible letters are escaped."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)
