"""What is said where TensorFlow is missing, or too old, and that the extras bring one that fits."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_mnv3.core import tensorflow_package
from edge_mnv3.core.errors import InputFileError, MissingExtraError, RuntimeUnavailableError
from edge_mnv3.core.tensorflow_package import check_tensorflow
from edge_mnv3.core.versions import OLDEST_TENSORFLOW, UNTRIED_TENSORFLOW
from edge_mnv3.model import weight_files
from edge_mnv3.model.arch import Variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.open_model import check_model_packages
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3.stages.sweep import sweep
from edge_mnv3.stages.sweep_request import SweepRequest
from int8_pairs import float_file, small_network

ADVICE = "pip install 'edge-mnv3[tensorflow-cpu]', or pip install 'edge-mnv3[tensorflow]' for GPUs"
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Module to where it lies; None for a folder without code. A test changes it."""
    found: dict[str, str | None] = {}

    def find_spec(name: str) -> object:
        return SimpleNamespace(origin=found[name]) if name in found else None

    for module in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(tensorflow_package, "versions", lambda packages: {"python": "2.0.0"})
    return found


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"tensorflow": "/site/tensorflow/__init__.py"},
        {"tensorflow": None, "keras": "/site/keras/__init__.py"},  # what an uninstalled one left behind
    ],
)
def test_none_is_there(found: dict[str, str | None], installed: dict[str, str | None]) -> None:
    installed.update(found)
    with pytest.raises(MissingExtraError) as raised:
        check_tensorflow("the demo")
    assert str(raised.value) == f"the demo needs TensorFlow, which is not installed; {ADVICE}"
    assert isinstance(raised.value, ImportError)


def test_whatever_brings_the_module_is_taken(
    installed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build under another name has no version to be told by; one that is imported is there."""
    installed.update(tensorflow="/site/tensorflow/__init__.py")
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace())
    check_tensorflow("the demo")


@pytest.mark.parametrize("package", ["tensorflow", "tensorflow-cpu"])
def test_versions_of_tensorflow(
    package: str, installed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.update(tensorflow="t.py", keras="k.py")
    for version in ("2.19.0", "2.21.1", "2.30.0.dev1", "3.0", "unknown"):
        monkeypatch.setattr(tensorflow_package, "versions", lambda names, v=version: {package: v})
        check_tensorflow("recipe stock")
    monkeypatch.setattr(tensorflow_package, "versions", lambda names: {package: "2.9.3"})
    with pytest.raises(RuntimeUnavailableError) as raised:
        check_tensorflow("recipe stock")
    assert str(raised.value) == (
        f"recipe stock needs a newer TensorFlow: got {package} 2.9.3, expected 2.19 or newer; "
        f"pip install '{package}>=2.19'"
    )


def test_what_needs_it(installed: dict[str, str | None], tmp_path: Path) -> None:
    """A float .tflite does not; what does is told before there is anything to read."""
    content = tmp_path / "float.tflite"
    content.write_bytes(float_file(small_network()))
    check_model_packages(ModelRequest(path=content))
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(MissingExtraError, match=rf"^model {re.escape(str(tmp_path))} needs TensorFlow, "):
        check_model_packages(ModelRequest(path=tmp_path))
    with pytest.raises(InputFileError, match="no such file"):
        check_model_packages(ModelRequest(path=tmp_path / "none.keras"))
    graph = GraphRequest(variant=Variant("small", False, 1.0), weights=tmp_path / "nowhere.h5")
    with pytest.raises(MissingExtraError, match="^building a MobileNetV3 needs TensorFlow, "):
        quantize(QuantizeRequest(graph=graph, calibration=tmp_path / "nowhere", output_dir=tmp_path / "out"))
    of_file = QuantizeRequest(graph=ModelRequest(path=content), recipe="stock", output_dir=tmp_path / "out")
    with pytest.raises(MissingExtraError, match="^recipe stock needs TensorFlow, "):
        quantize(of_file)
    swept = SweepRequest(models=[content], recipes=["fast", "stock"], output_dir=tmp_path / "out")
    with pytest.raises(MissingExtraError, match="^recipe stock needs TensorFlow, "):
        sweep(swept)
    assert not (tmp_path / "out").exists()


def test_h5py_comes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(MissingExtraError, match=rf"^model {re.escape(str(path))} needs TensorFlow, "):
        check_model_packages(ModelRequest(path=path))
    with pytest.raises(MissingExtraError, match=rf"^weights {re.escape(str(path))} needs TensorFlow, "):
        weight_files.inspect_weights(path)


def test_the_extras_bring_one_that_fits() -> None:
    """And the base brings none: a second one would overwrite the user's."""
    text = PROJECT.read_text(encoding="utf-8")
    base = text[text.index("\ndependencies = [") : text.index("[project.optional-dependencies]")]
    assert "tensorflow" not in base.casefold().replace("# tensorflow", "")
    wanted = "tensorflow(?:-cpu)?>=" + ",<".join(
        ".".join(map(str, each)) for each in (OLDEST_TENSORFLOW, UNTRIED_TENSORFLOW)
    )
    required = re.findall(r'"(tensorflow(?:-cpu)?[<>=][^";]*)', text)
    assert len(required) == 3
    assert all(re.fullmatch(wanted, each) for each in required)
