"""Counts the rooms of the code and the imports between them, and lists what breaks a rule of the house.

A room is a folder of modules, or a module at the top of its package. An import is read from the syntax tree,
wherever in a module it stands. Run it from the project's folder:

    python tools/structure.py            the count, and every import that breaks a rule
    python tools/structure.py --rooms    each room with its lines, and what it imports
    python tools/structure.py --json     the same as JSON

The rules are read from `LAYERS`: a module imports from its own part and from parts on lower layers, but a
part on the layer of the components imports nothing except the core, and commands import no component except
its `REGISTRIES`. Modules have at most `MODULE_LINES` lines
and functions `FUNCTION_LINES`; complexity and parameters are ruff's to count.
"""

from __future__ import annotations

import argparse
import ast
import functools
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCE_ROOTS = (".", "calibration_data", "quantization", "android_bench")
PACKAGES = ("edge_mnv3", "edge_mnv3_calibration_data", "edge_mnv3_quantization", "edge_mnv3_android_bench")
CORE = "edge_mnv3.core"
# Prefixes of modules, from the ground up.
LAYERS = (
    (CORE,),
    ("edge_mnv3.model", "edge_mnv3.packaging", "edge_mnv3.html_report", *PACKAGES[1:]),
    ("edge_mnv3.stages",),
    ("edge_mnv3.commands",),
    ("edge_mnv3",),  # the public API, the command line, and `edge_mnv3.builder`
)
COMPONENTS, COMMANDS = 1, 3  # the indices of their layers
# Data of components that commands list and parse options by; they load the standard library only.
REGISTRIES = (
    "edge_mnv3.model.arch",
    "edge_mnv3_quantization.recipes.config",
    "edge_mnv3_android_bench.measuring.acceptance",
    "edge_mnv3_android_bench.measuring.plan",
    "edge_mnv3_android_bench.measuring.protocols",
)
MODULE_LINES, FUNCTION_LINES = 400, 60


class Import(NamedTuple):
    """One import of a module of this project.

    Attributes:
        line: Where it stands, from 1.
    """

    importer: str
    imported: str
    line: int


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Finds every module of the project, by its dotted name."""
    paths = {}
    for source_root in SOURCE_ROOTS:
        for package in PACKAGES:
            for path in sorted((root / source_root / package).rglob("*.py")):
                parts = path.relative_to(root / source_root).with_suffix("").parts
                paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _statements(path: Path) -> Iterator[ast.stmt]:
    """All statements of a module; the expressions in them, which are most of its tree, are passed over."""
    nodes: list[ast.AST] = [_parsed(path)]
    for node in nodes:  # grows on the way
        if isinstance(node, ast.stmt):
            yield node
        for part in ("body", "orelse", "handlers", "finalbody", "cases"):
            inner = getattr(node, part, ())
            if isinstance(inner, list):
                nodes.extend(inner)


def imports(module_paths: Mapping[str, Path]) -> Iterator[Import]:
    """Reads the imports of project modules, each as the module that defines the name."""
    for name, path in module_paths.items():
        for node in _statements(path):
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                wanted = [module if module in module_paths else node.module for module in inner]
            else:
                continue
            for module in wanted:
                if module in module_paths and module != name:
                    yield Import(name, module, node.lineno)


def part_of(module: str) -> tuple[int, str]:
    """Returns the layer of a module and the prefix that says so: the longest that fits."""
    fitting = [
        (len(prefix), level, prefix)
        for level, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    _, level, prefix = max(fitting)
    return level, prefix


def room_of(module: str, path: Path) -> str:
    """Returns the folder of a module; a module at the top of its package is a room by itself."""
    if path.stem == "__init__":
        return module
    folder = module.rpartition(".")[0]
    return module if folder in PACKAGES else folder


def is_uphill(each: Import) -> bool:
    """Tells whether an import breaks the rule of the layers."""
    level, part = part_of(each.importer)
    other_level, other_part = part_of(each.imported)
    if part == other_part:
        return False
    if (level, other_level) == (COMMANDS, COMPONENTS):
        return each.imported not in REGISTRIES
    return other_level >= level or (level == COMPONENTS and other_part != CORE)


def cycles(arrows: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Finds the sets of nodes that reach each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[tuple[str, ...]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for after in sorted(arrows.get(node, ())):
            if after not in index:
                visit(after)
                low[node] = min(low[node], low[after])
            elif after in stack:
                low[node] = min(low[node], index[after])
        if low[node] == index[node]:
            place = stack.index(node)
            if len(stack) - place > 1:
                components.append(tuple(sorted(stack[place:])))
            del stack[place:]

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return components


def _sources(root: Path) -> list[Path]:
    """Every Python file but those in hidden folders, such as environments with their many thousands."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.endswith(".py") and not name.startswith(".")]
    return sorted(found)


def too_long(root: Path = ROOT) -> list[str]:
    """Lists modules and functions over the limits, those of tests, tools, benchmarks and examples too.

    A command's function is measured without its decorators and without its docstring, which is its help text.
    """
    listed = []
    for path in _sources(root):
        where = path.relative_to(root)
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > MODULE_LINES:
            listed.append(f"{where}: {lines} lines, at most {MODULE_LINES}")
        for node in _statements(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = _function_lines(node)
                if body > FUNCTION_LINES:
                    listed.append(
                        f"{where}:{node.lineno} {node.name}: {body} lines, at most {FUNCTION_LINES}"
                    )
    return listed


def _function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines <= FUNCTION_LINES:
        return lines
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


class Structure(NamedTuple):
    """What was counted.

    Attributes:
        lines: Room to its number of lines.
        arrows: Room to the rooms that it imports.
        uphill: Imports that break the rule of the layers.
        room_cycles: Rooms that import each other, directly or through others.
        module_cycles: Modules that do.
    """

    lines: dict[str, int]
    arrows: dict[str, set[str]]
    uphill: tuple[Import, ...]
    room_cycles: list[tuple[str, ...]]
    module_cycles: list[tuple[str, ...]]


def measure(root: Path = ROOT) -> Structure:
    """Reads the project and counts."""
    module_paths = modules(root)
    rooms = {name: room_of(name, path) for name, path in module_paths.items()}
    lines: dict[str, int] = defaultdict(int)
    for name, path in module_paths.items():
        lines[rooms[name]] += len(path.read_text(encoding="utf-8").splitlines())
    between: dict[str, set[str]] = defaultdict(set)
    inside: dict[str, set[str]] = defaultdict(set)
    uphill = []
    for each in imports(module_paths):
        inside[each.importer].add(each.imported)
        if rooms[each.importer] != rooms[each.imported]:
            between[rooms[each.importer]].add(rooms[each.imported])
        if is_uphill(each):
            uphill.append(each)
    return Structure(dict(lines), dict(between), tuple(uphill), cycles(between), cycles(inside))


def main() -> None:
    """Prints the count; exit code 1 if an import runs uphill or in a circle, or something is too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's folder")
    parser.add_argument("--rooms", action="store_true", help="list each room and what it imports")
    parser.add_argument("--json", action="store_true", help="write JSON")
    options = parser.parse_args()
    structure = measure(options.root)
    oversized = too_long(options.root)
    counts = {
        "rooms": len(structure.lines),
        "arrows": sum(map(len, structure.arrows.values())),
        "uphill": len(structure.uphill),
        "cycles_of_rooms": len(structure.room_cycles),
        "cycles_of_modules": len(structure.module_cycles),
        "too_long": len(oversized),
    }
    if options.json:
        rooms = {room: sorted(structure.arrows.get(room, ())) for room in sorted(structure.lines)}
        print(json.dumps({"counts": counts, "rooms": rooms}, indent=2))
    else:
        print("  ".join(f"{name.replace('_', ' ')}: {number}" for name, number in counts.items()))
        if options.rooms:
            for room in sorted(structure.lines):
                print(f"{room} ({structure.lines[room]} lines)")
                for other in sorted(structure.arrows.get(room, ())):
                    print(f"    {other}")
        for each in structure.uphill:
            print(f"uphill: {each.importer}:{each.line} imports {each.imported}")
        for cycle in (*structure.room_cycles, *structure.module_cycles):
            print("cycle: " + ", ".join(cycle))
        for text in oversized:
            print(f"too long: {text}")
    sys.exit(bool(oversized or structure.uphill or structure.room_cycles or structure.module_cycles))


if __name__ == "__main__":
    main()
