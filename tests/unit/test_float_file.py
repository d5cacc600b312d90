"""By what a float file is known in the cache."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core import cache
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.results.models import WeightsInfo
from edge_mnv3.model.arch import Variant
from edge_mnv3.model.graphs import GraphRequest, ResolvedGraph
from edge_mnv3.stages import float_file as stage
from edge_mnv3.stages.float_file import SOURCES, float_file, float_file_key

INSTALLED = {"python": "3.11.7", "tensorflow-cpu": "2.21.0", "keras": "3.15.0"}
REQUEST = GraphRequest(variant=Variant("small", False, 0.5), input_size_px=64, weights="w.h5")
GRAPH = ResolvedGraph(
    request=REQUEST,
    input_size_px=64,
    classes=10,
    weights_path=Path("w.h5"),
    weights=WeightsInfo(source="file", path="w.h5", sha256="0" * 64),
)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = dict(INSTALLED)
    monkeypatch.setattr(stage, "versions", lambda packages: dict(found))
    return found


def asked(**changes: Any) -> ResolvedGraph:
    request = dataclasses.replace(REQUEST, **changes)
    return dataclasses.replace(GRAPH, request=request, input_size_px=request.input_size_px or 0)


def weights(sha256: str | None) -> ResolvedGraph:
    return dataclasses.replace(GRAPH, weights=WeightsInfo(source="file", path="w.h5", sha256=sha256))


def test_everything_that_decides_the_file_is_in_the_key() -> None:
    graphs = [
        GRAPH,
        weights("0" * 63 + "1"),
        asked(variant=Variant("large", False, 0.5)),
        asked(variant=Variant("small", True, 0.5)),
        asked(variant=Variant("small", False, 0.75)),
        asked(variant=Variant("small", False, 0.5000001)),
        asked(input_size_px=65),
        asked(include_softmax=False),
        dataclasses.replace(GRAPH, classes=11),
    ]
    keys = [float_file_key(graph) for graph in graphs]
    assert None not in keys
    assert len(set(keys)) == len(graphs)


def test_where_the_weights_lie_is_not() -> None:
    moved = dataclasses.replace(GRAPH, weights_path=Path("elsewhere.h5"))
    assert float_file_key(moved) == float_file_key(GRAPH)


@pytest.mark.parametrize("package", INSTALLED)
def test_another_version_is_another_key(package: str, installed: dict[str, str]) -> None:
    before = float_file_key(GRAPH)
    installed[package] += "1"
    assert before is not None
    assert float_file_key(GRAPH) not in (before, None)


def test_another_version_or_source_of_this_package_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [float_file_key(GRAPH)]
    monkeypatch.setattr(stage, "__version__", "999.0")
    keys.append(float_file_key(GRAPH))
    monkeypatch.setattr(cache, "sha256_sources", lambda modules: "1" * 64)
    keys.append(float_file_key(GRAPH))
    assert None not in keys
    assert len(set(keys)) == 3


def test_the_sources_are_files() -> None:
    assert cache.sha256_sources(SOURCES) is not None


def test_random_weights_have_no_key() -> None:
    assert float_file_key(weights(None)) is None


def test_a_tensorflow_of_unknown_name_has_no_key(installed: dict[str, str]) -> None:
    del installed["tensorflow-cpu"]
    assert float_file_key(GRAPH) is None


def test_sources_that_cannot_be_read_give_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "sha256_sources", lambda modules: None)
    assert float_file_key(GRAPH) is None


def test_weights_replaced_while_they_are_read_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    path = tmp_path / "w.h5"
    path.write_bytes(b"other weights than those that were hashed")
    graph = dataclasses.replace(GRAPH, weights_path=path)
    monkeypatch.setattr(stage, "_converted", lambda *_: stage.FloatFile(b"TFL3", False, {}))
    with float_file(graph, use_cache=True, reporter=SILENT) as made:
        assert made.result().content == b"TFL3"
    key = float_file_key(graph)
    assert key is not None
    assert cache.get(key) is None


def test_no_cache_neither_reads_nor_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    key = float_file_key(GRAPH)
    assert key is not None
    cache.put(key, b"kept")
    monkeypatch.setattr(stage, "_converted", lambda *_: stage.FloatFile(b"made", False, {}))
    with float_file(GRAPH, use_cache=False, reporter=SILENT) as made:
        assert made.result() == stage.FloatFile(b"made", False, {})
    with float_file(GRAPH, use_cache=True, reporter=SILENT) as made:
        assert (made.result().content, made.result().from_cache) == (b"kept", True)


def test_an_error_of_the_converter_is_raised_where_the_file_is_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: object) -> None:
        raise ArithmeticError("no")

    monkeypatch.setattr(stage, "_converted", refuses)
    with (
        float_file(GRAPH, use_cache=False, reporter=SILENT) as made,
        pytest.raises(ArithmeticError, match="no"),
    ):
        made.result()
