"""The stage `results`: what the store of results holds."""

from __future__ import annotations

import csv
import datetime
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.outputs import check_writable, write_text
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.stored import StoredEvaluation, StoredModel, StoredResults
from edge_mnv3.stages.result_store import opened_store

if TYPE_CHECKING:
    from edge_mnv3_quantization.evaluation.store import Store
    from edge_mnv3_quantization.evaluation.store_rows import StoredRun

_DAY_S = 24 * 3600
_SKIPPED, _IMAGE, _FILE = "not_read", "image", "file"


def stored_results(store: AnyPath | None = None, reporter: Reporter = SILENT) -> StoredResults:
    """Lists the evaluations in a store.

    Args:
        store: Its folder; None for `results` in the cache folder.
        reporter: Warned where it is damaged.

    Raises:
        InputFileError: It cannot be read.
    """
    with opened_store(store, reporter, reads_all=True) as opened:
        if opened is None or not opened.folder.is_dir():
            raise InputFileError(f"store {store or 'of results'}", "no folder", "the folder of a store")
        return StoredResults(
            folder=str(opened.folder),
            size_bytes=opened.size_bytes,
            evaluations=tuple(_evaluation(opened, run) for run in opened.runs()),
        )


def exported_results(
    key: str, output: Path, *, store: AnyPath | None, force: bool, reporter: Reporter = SILENT
) -> int:
    """Writes the records of an evaluation, a row an image, in the order in which they were kept.

    Args:
        key: Of the evaluation, or its beginning.
        output: A `.csv` or `.json` file. Columns are those of the records: of the first output of classes
            `0.float_top5`, the numbers of its highest outputs, `0.float_scores`, and so on.
        store: Folder of the store; None for `results` in the cache folder.
        force: Overwrite `output`.
        reporter: Warned where the store is damaged.

    Returns:
        Number of images.

    Raises:
        ArgumentError: No evaluation, or more than one, begins with `key`, or the output has another suffix.
        InputFileError: The store cannot be read, or has no image of it.
        OutputError: The output cannot be written.
    """
    if output.suffix not in (".csv", ".json"):
        raise ArgumentError("--output", str(output), "a .csv or .json file")
    check_writable([output], force=force)
    with opened_store(store, reporter, reads_all=True) as opened:
        rows = [] if opened is None else _rows(opened, _key(opened, key))
    if not rows:
        raise InputFileError(
            f"evaluation {key}", "no image in the store", "at least one", "run validate again"
        )
    text = _csv(rows) if output.suffix == ".csv" else json.dumps(rows, indent=1) + "\n"
    write_text(output, text, force=force)
    return len(rows)


def pruned_results(
    *, unused_days: float | None, keys: Sequence[str], store: AnyPath | None, reporter: Reporter = SILENT
) -> StoredResults:
    """Removes evaluations, and says what is left.

    Args:
        unused_days: Remove those that were not used for so many days; None for no such.
        keys: Remove these, too, by their keys or the beginnings of them.
        store: Folder of the store; None for `results` in the cache folder.
        reporter: Warned where the store is damaged.

    Raises:
        ArgumentError: No evaluation, or more than one, begins with a key.
        InputFileError: The store cannot be read.
    """
    with opened_store(store, reporter, reads_all=True) as opened:
        if opened is not None:
            dropped = {_key(opened, key) for key in keys}
            if unused_days is not None:
                before_s = time.time() - unused_days * _DAY_S
                dropped |= {run.key for run in opened.runs() if run.used_s <= before_s}
            opened.drop_runs(sorted(dropped))
    return stored_results(store, reporter)


def _key(store: Store, beginning: str) -> str:
    keys = [run.key for run in store.runs() if run.key.startswith(beginning)]
    if len(keys) != 1:
        raise ArgumentError(
            f"evaluation {beginning}",
            f"{len(keys)} of that beginning" if keys else f"none in {store.folder}",
            "a key, or the beginning of one",
            "edge-mnv3 results list shows them",
        )
    return keys[0]


def _evaluation(store: Store, run: StoredRun) -> StoredEvaluation:
    from edge_mnv3_quantization.evaluation.labelled import kept_lists

    facts = json.loads(run.description)
    used = datetime.datetime.fromtimestamp(run.used_s, datetime.timezone.utc)
    return StoredEvaluation(
        key=run.key,
        # One file alone is run to see whether other numbers suit it better.
        purpose="input range tried" if len(facts["models"]) == 1 else "comparison",
        models=tuple(
            StoredModel(file=model["file"], sha256=model["sha256"], kernels=model["kernels"])
            for model in facts["models"]
        ),
        preprocess=facts["preprocess"],
        runtime=facts["runtime"],
        kept=facts["kept"],
        images=len({content.strip() for shard in store.shards(run.key) for content in shard.contents}),
        data=tuple(facts.data for _, facts in kept_lists(store, run.key)),
        used=used.isoformat(),
    )


def _rows(store: Store, run: str) -> list[dict[str, Any]]:
    """A row an image: one that was in shards of several lists of images has the same records in each."""
    from edge_mnv3_quantization.evaluation.records import from_bytes

    files = store.known_files()
    rows: dict[str, dict[str, Any]] = {}
    for shard in store.shards(run):
        records = from_bytes(shard.records)
        images = [content.strip() for content in shard.contents]
        known = [files.get(content.split()[-1], "") for content in images]
        shown: list[dict[str, Any]] = [
            {_IMAGE: image, _FILE: file, _SKIPPED: ""} for image, file in zip(images, known, strict=True)
        ]
        for place, reason in records.skipped:
            shown[place][_SKIPPED] = reason
        for row, place in enumerate(records.places):
            shown[place] |= {name: column[row].tolist() for name, column in records.columns.items()}
        for each in shown:
            rows.setdefault(each[_IMAGE], each)
    return [*rows.values()]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """A column for each number: `0.float_top5[0]`."""
    flat: list[dict[str, Any]] = []
    for row in rows:
        cells: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, list):
                cells |= {f"{name}[{place}]": each for place, each in enumerate(value)}
            else:
                cells[name] = value
        flat.append(cells)
    names = list(dict.fromkeys(name for cells in flat for name in cells))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()
