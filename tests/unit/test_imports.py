"""Which part may import which, and when heavy packages are loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COMPONENTS = {
    "edge_mnv3_calibration_data": ROOT / "calibration_data",
    "edge_mnv3_quantization": ROOT / "quantization",
    "edge_mnv3_android_bench": ROOT / "android_bench",
}
# What a component may use of the core: leaves that know no other part.
SHARED = {
    "bench_report",
    "bench_results",
    "device_results",
    "diagnose_results",
    "errors",
    "hashing",
    "native_output",
    "outputs",
    "process",
    "profile_results",
    "published",
    "result_json",
    "results",
    "runtime",
    "verdict_results",
}
STANDARD_LIBRARY_ONLY = (
    "errors",
    "results",
    "bench_report",
    "bench_results",
    "device_results",
    "diagnose_results",
    "package_results",
    "profile_results",
    "verdict_results",
    "arch",
)
JOINING = {
    "bundle_inputs.py",
    "calibrating.py",
    "calibration_images.py",
    "demo.py",
    "device_benching.py",
    "diagnosing.py",
    "output_steps.py",
    "packing.py",
    "phone_golden.py",
    "pipeline.py",
    "reproducing.py",
    "variant_files.py",
    "verifying.py",
}
STAGES_WITHOUT_A_GRAPH = (
    "edge_mnv3.pipeline",
    "edge_mnv3.device_benching",
    "edge_mnv3.diagnosing",
    "edge_mnv3.plotting",
    "edge_mnv3.packing",
    "edge_mnv3.phone_golden",
    "edge_mnv3.verifying",
    "edge_mnv3.reproducing",
    "edge_mnv3_quantization.validation",
    "edge_mnv3_quantization.diagnosis",
    "edge_mnv3_android_bench.host",
)


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("component", COMPONENTS)
def test_components_do_not_know_each_other(component: str) -> None:
    files = list((COMPONENTS[component] / component).rglob("*.py"))
    assert len(files) > 1
    for path in files:
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "edge_mnv3":
                assert parts[1] in SHARED, f"{path} imports {name}"
            if parts[0] in COMPONENTS:
                assert parts[0] == component, f"{path} imports {name}"


def test_only_the_joining_modules_use_components() -> None:
    for path in (ROOT / "edge_mnv3").rglob("*.py"):
        if path.name not in JOINING and path.parent.name != "commands":
            assert not {name.split(".")[0] for name in imported(path)} & set(COMPONENTS), path


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_data_modules_need_the_standard_library_only(module: str) -> None:
    allowed = sys.stdlib_module_names | {"edge_mnv3"}
    assert {name.split(".")[0] for name in imported(ROOT / "edge_mnv3" / f"{module}.py")} <= allowed


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy() -> None:
    code = (
        "from click.testing import CliRunner; from edge_mnv3.cli import main\n"
        "assert 'quantize' in CliRunner().invoke(main, ['--help']).output"
    )
    heavy = {"tensorflow", "keras", "numpy", "PIL", "h5py", "ai_edge_litert", "requests", "pooch", "sklearn"}
    assert not loaded_after(code) & heavy


def test_command_helps_load_no_tensorflow() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from edge_mnv3.cli import COMMANDS, main\n"
        "for command in COMMANDS:\n"
        "    result = CliRunner().invoke(main, [command, '--help'])\n"
        "    assert 'Examples:' in result.output, result.output\n"
        "    assert not {'tensorflow', 'keras'} & sys.modules.keys(), command"
    )
    assert not loaded_after(code) & {"tensorflow", "keras"}


def test_stages_without_a_graph_load_no_tensorflow() -> None:
    code = (
        "import importlib, sys\n"
        f"for module in {STAGES_WITHOUT_A_GRAPH}:\n"
        "    importlib.import_module(module)\n"
        "    assert not {'tensorflow', 'keras'} & sys.modules.keys(), module"
    )
    assert not loaded_after(code) & {"tensorflow", "keras"}
