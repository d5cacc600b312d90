"""The rules of the structure: what is uphill, what is a circle, what is too long."""

from __future__ import annotations

from pathlib import Path

import pytest
import structure


def test_what_is_too_long_is_named(tmp_path: Path) -> None:
    body = "".join(f"    x = {number}\n" for number in range(structure.FUNCTION_LINES))
    (tmp_path / "long.py").write_text(f"def f():\n{body}" + "y = 1\n" * structure.MODULE_LINES)
    (tmp_path / "short.py").write_text(
        f'def f():\n    """Says.\n\n    more\n    """\n{body.partition(chr(10))[2]}'
    )
    assert structure.too_long(tmp_path) == [
        "long.py: 461 lines, at most 400",
        "long.py:1 f: 61 lines, at most 60",
    ]


def write_modules(root: Path, sources: dict[str, str]) -> None:
    for name, source in sources.items():
        package = name.split(".")[0]
        folder = dict(zip(structure.PACKAGES, structure.SOURCE_ROOTS, strict=True))[package]
        path = root / folder / Path(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


@pytest.mark.parametrize(
    ("importer", "imported", "uphill"),
    [
        ("edge_mnv3.core.a", "edge_mnv3.model.b", True),
        ("edge_mnv3.core.a", "edge_mnv3.core.results.b", False),
        ("edge_mnv3.model.a", "edge_mnv3.packaging.b", True),
        ("edge_mnv3.model.a", "edge_mnv3.core.b", False),
        ("edge_mnv3_quantization.graph.a", "edge_mnv3_calibration_data.b", True),
        ("edge_mnv3_quantization.graph.a", "edge_mnv3_quantization.recipes.b", False),
        ("edge_mnv3_quantization.graph.a", "edge_mnv3.stages.b", True),
        ("edge_mnv3.stages.a", "edge_mnv3_quantization.graph.b", False),
        ("edge_mnv3.stages.a", "edge_mnv3.commands.b", True),
        ("edge_mnv3.commands.a", "edge_mnv3.stages.b", False),
        ("edge_mnv3.commands.a", "edge_mnv3.cli", True),
        ("edge_mnv3.commands.a", "edge_mnv3.core.b", False),
        ("edge_mnv3.commands.a", "edge_mnv3_quantization.recipes.quantize", True),
        ("edge_mnv3.commands.a", "edge_mnv3_quantization.recipes.config", False),
        ("edge_mnv3.commands.a", "edge_mnv3.model.graphs", True),
        ("edge_mnv3.commands.a", "edge_mnv3.model.arch", False),
        ("edge_mnv3.cli", "edge_mnv3.commands.a", False),
    ],
)
def test_the_rule_of_the_layers(importer: str, imported: str, uphill: bool, tmp_path: Path) -> None:
    parent, _, name = imported.rpartition(".")
    write_modules(tmp_path, {importer: f"def late():\n    from {parent} import {name}\n", imported: ""})
    measured = structure.measure(tmp_path)
    assert [each.importer for each in measured.uphill] == ([importer] if uphill else [])


def test_circles_are_found(tmp_path: Path) -> None:
    one, other = "edge_mnv3_quantization.graph.a", "edge_mnv3_quantization.recipes.b"
    write_modules(tmp_path, {one: f"import {other}\n", other: f"from {one} import x\n"})
    measured = structure.measure(tmp_path)
    assert measured.module_cycles == [(one, other)]
    assert measured.room_cycles == [(one.rpartition(".")[0], other.rpartition(".")[0])]
