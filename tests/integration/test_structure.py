"""The whole project: which part imports which, how long anything is, and when heavy packages are loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import structure

# They need a graph: TensorFlow is loaded when they are used, and still not when they are imported.
HEAVY = {"tensorflow", "keras"}
RESULTS = structure.ROOT / "edge_mnv3" / "core" / "results"


@pytest.fixture(scope="module")
def measured() -> structure.Structure:
    return structure.measure()


def test_nothing_imports_uphill(measured: structure.Structure) -> None:
    assert [f"{each.importer}:{each.line} imports {each.imported}" for each in measured.uphill] == []


def test_no_rooms_and_no_modules_import_each_other(measured: structure.Structure) -> None:
    assert measured.room_cycles == []
    assert measured.module_cycles == []


def test_every_room_is_measured(measured: structure.Structure) -> None:
    assert {
        "edge_mnv3.core",
        "edge_mnv3.stages",
        "edge_mnv3_quantization.algorithms",
    } <= measured.lines.keys()
    assert min(measured.lines.values()) >= 1


def test_nothing_is_too_long() -> None:
    assert structure.too_long() == []


def test_results_need_the_standard_library_only() -> None:
    names = ", ".join(f"edge_mnv3.core.results.{path.stem}" for path in RESULTS.glob("[!_]*.py"))
    loaded = loaded_after(f"import {names}")
    assert (
        not loaded - sys.stdlib_module_names - {"edge_mnv3", "__main__", "sitecustomize"} - startup_modules()
    )


def test_registries_need_the_standard_library_only() -> None:
    assert set(structure.REGISTRIES) <= structure.modules().keys()
    loaded = loaded_after(f"import {', '.join(structure.REGISTRIES)}")
    ours = {*structure.PACKAGES, "__main__", "sitecustomize"}
    assert not loaded - sys.stdlib_module_names - ours - startup_modules()


def test_flatbuffers_are_handled_in_one_place() -> None:
    places = [structure.ROOT / folder for folder in (*structure.SOURCE_ROOTS[1:], "edge_mnv3", "benchmarks")]
    places += [structure.ROOT / folder for folder in ("tools", "examples")]
    handling = {
        path.parent.relative_to(structure.ROOT)
        for place in places
        for path in place.rglob("*.py")
        if re.search(r"^\s*(import|from) .*(flatbuffers|schema_py_generated)", path.read_text(), re.MULTILINE)
    }
    assert handling == {Path("edge_mnv3/core/tflite")}


def test_rewriting_graphs_and_files_needs_no_interpreter() -> None:
    pure = ("edge_mnv3.core.tflite.", "edge_mnv3_quantization.graph.")
    names = [name for name in structure.modules() if name.startswith(pure)]
    code = (
        f"import importlib, sys\n"
        f"for module in {names}:\n"
        "    importlib.import_module(module)\n"
        "print(*[m for m in sys.modules if m == 'edge_mnv3.core.runtime' or 'interpreter' in m])"
    )
    assert len(names) > 12
    assert printed_after(code) == []


def printed_after(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def startup_modules() -> set[str]:
    """What this Python loads before anything is imported, such as hooks of installed packages."""
    return loaded_after("")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "from click.testing import CliRunner; from edge_mnv3.cli import main\n"
        "assert 'quantize' in CliRunner().invoke(main, ['--help']).output"
    )
    heavy = {*HEAVY, "numpy", "PIL", "h5py", "ai_edge_litert", "requests", "pooch", "sklearn"}
    assert not loaded_after(code) & heavy


def test_command_helps_load_no_tensorflow() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from edge_mnv3.cli import COMMANDS, main\n"
        "for command in COMMANDS:\n"
        "    result = CliRunner().invoke(main, [command, '--help'])\n"
        "    assert 'Examples:' in result.output, result.output\n"
        f"    assert not {HEAVY} & sys.modules.keys(), command"
    )
    assert not loaded_after(code) & HEAVY


def test_no_module_but_the_keras_graphs_loads_tensorflow() -> None:
    building = ("edge_mnv3.builder", "edge_mnv3.model.builder", "edge_mnv3.model.blocks")
    names = [name for name in structure.modules() if name not in building and not name.endswith("_child")]
    code = (
        "import importlib, sys\n"
        f"for module in {names}:\n"
        "    importlib.import_module(module)\n"
        f"    assert not {HEAVY} & sys.modules.keys(), module"
    )
    assert not loaded_after(code) & HEAVY


@pytest.mark.parametrize("module", ["edge_mnv3_quantization.recipes.config", "edge_mnv3.commands.quantize"])
def test_reading_the_registry_of_recipes_is_light(module: str) -> None:
    assert not loaded_after(f"import {module}") & {"numpy", "tensorflow", "ai_edge_litert"}


def test_importing_the_package_is_light() -> None:
    assert not loaded_after("import edge_mnv3") & {
        "tensorflow",
        "keras",
        "numpy",
        "PIL",
        "h5py",
        "ai_edge_litert",
        "click",
    }


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by their names alone: two of one name end a run of both folders."""
    names = [path.name for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
