"""Every result that a release has written, whatever its version, makes a whole page of the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.html_report.gathered import gather
from edge_mnv3.html_report.recognition import recognize
from edge_mnv3_quantization.exploring.plot import plot_sweep
from html_outline import Outline
from report_runs import FORMATS, found, page, quantized, swept

MADE = quantized()
HASHES = ("sha256", "model_sha256", "int8_sha256", "float_sha256")


def of_the_pair(value: Any, *, int8: bool = True) -> Any:
    """The same result, of the two files of the run."""
    if isinstance(value, list):
        return [of_the_pair(each, int8=int8) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, each in value.items():
        of_int8 = False if key.startswith("float") else True if key.startswith("int8") else int8
        is_hash = key in HASHES and isinstance(each, str)
        known = MADE.int8_sha256 if of_int8 else MADE.float_sha256
        changed[key] = known if is_hash else of_the_pair(each, int8=of_int8)
    return changed


def is_shown(name: str) -> bool:
    """Whether the report takes such results."""
    try:
        return recognize(FORMATS / name, named=False) is not None
    except EdgeMnv3Error:
        return False


NAMES = sorted(path.name for path in FORMATS.glob("*.json") if is_shown(path.name))


@pytest.mark.parametrize("name", NAMES)
def test_results_of_all_versions(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(of_the_pair(json.loads((FORMATS / name).read_text(encoding="utf-8")))))
    result = recognize(path, named=False)
    assert result is not None
    run = [result] if name.startswith("quantize") else [found(MADE, name="quantize.json"), result]
    outline = Outline(page(gather(run)))
    assert outline.problems == []
    assert len(outline.of("table")) == len(outline.of("caption"))


def test_most_kinds_of_results_are_there() -> None:
    kinds = {name.rpartition("-v")[0] for name in NAMES}
    assert {"quantize", "validate", "diagnose", "inspect", "cost", "host-bench", "sweep"} <= kinds


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_sweep_is_drawn(tmp_path: Path, suffix: str) -> None:
    """With its front and what is recommended, whichever of both costs it has."""
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    for result in (swept(MADE.int8_sha256), swept(MADE.int8_sha256, quality="top1_percent")):
        plot_sweep(result, tmp_path / f"front{suffix}")
        assert (tmp_path / f"front{suffix}").stat().st_size > 5000
