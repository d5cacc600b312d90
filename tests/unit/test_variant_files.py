"""Files of the published networks that lie in a folder, also those that older releases made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from device.command_setup import write_variant_files
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.model.arch import VARIANTS
from edge_mnv3.stages import variant_files as stage
from edge_mnv3.stages.quantize import QuantizeRequest
from edge_mnv3.stages.variant_files import VariantFilesRequest, variant_files


class RequantizedError(Exception):
    """A file is made anew."""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def quantize(request: QuantizeRequest, reporter: Reporter) -> None:
        raise RequantizedError(request.recipe)

    monkeypatch.setattr(stage, "quantize", quantize)
    write_variant_files(tmp_path, "small")
    return tmp_path


def change(folder: Path, recipe: str, **fields: Any) -> None:
    """Changes fields of one recipe's `quantize.json`; None removes a field."""
    path = folder / "small" / recipe / "quantize.json"
    data = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def wanted(folder: Path) -> VariantFilesRequest:
    return VariantFilesRequest(variants=(VARIANTS["small"],), models_dir=folder, weights="none")


def test_files_are_found_by_recipe(models: Path) -> None:
    assert [file.recipe for file in variant_files(wanted(models), SILENT)] == [None, "stock", "accurate"]


@pytest.mark.parametrize("hard_swish", ["auto", None], ids=["version_1", "first_files_of_version_1"])
def test_files_of_older_releases_are_not_made_anew(models: Path, hard_swish: str | None) -> None:
    change(models, "accurate", schema_version=1, recipe_report=None, hard_swish=hard_swish)
    assert [file.recipe for file in variant_files(wanted(models), SILENT)] == [None, "stock", "accurate"]


def test_file_with_another_choice_of_hard_swish_is_another_network(models: Path) -> None:
    change(models, "accurate", hard_swish="fused")
    with pytest.raises(RequantizedError, match="accurate"):
        variant_files(wanted(models), SILENT)
