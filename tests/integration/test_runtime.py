"""The interpreter's door, on tiny real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core import process, runtime
from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ModelFileError, RuntimeUnavailableError
from edge_mnv3.core.runtime import open_model, probe
from tiny_models import SIZE, expected_scores, weights, write_classifier

pytestmark = pytest.mark.measured_processes

PIXELS = np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_run_equals_arithmetic(tmp_path: Path, dtype: str, kernels: Kernels) -> None:
    model = open_model(write_classifier(tmp_path / "m.tflite", dtype), kernels=kernels)
    output = model.run(PIXELS)
    assert output.dtype == dtype
    assert model.runtime.startswith("litert 2.")
    assert model.inputs[0].shape == (1, SIZE, SIZE, 3)
    expected = expected_scores(weights(5), PIXELS)
    if dtype == "float32":
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-3)  # float32 sums of 48 products
    else:
        zero = 128 if dtype == "uint8" else 0
        # Half a step of rounding the result, and 48 weights each rounded by at most half a weight step.
        tolerance = 4.0 + 48 * 255 * 0.5 * float(np.abs(weights(5)).max()) / 127
        np.testing.assert_allclose((output.astype(float) - zero) * 8.0, expected, atol=tolerance)
        assert output.argmax() == expected.argmax()


def test_partitions(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "m.tflite", "int8")
    assert open_model(path, kernels="xnnpack").partitions == 1
    assert open_model(path, kernels="xnnpack").undelegated_ops == {}
    assert open_model(path, kernels="builtin").partitions == 0


def test_open_batch_is_shown_and_runs(tmp_path: Path) -> None:
    model = open_model(write_classifier(tmp_path / "m.tflite", "float32", open_batch=True))
    assert model.inputs[0].shape == (-1, SIZE, SIZE, 3)
    assert model.run(PIXELS).shape == (5,)


def test_other_input_shape(tmp_path: Path) -> None:
    model = open_model(write_classifier(tmp_path / "m.tflite", "int8"))
    with pytest.raises(
        ModelFileError, match=r"model's input: got shape \(1, 4, 4, 3\), expected \(1, 5, 5, 3\)"
    ):
        model.run(np.zeros((5, 5, 3), np.uint8))


def test_probe(tmp_path: Path) -> None:
    check = probe(write_classifier(tmp_path / "m m.tflite", "uint8"), kernels="xnnpack")
    assert (check.loads, check.partitions, check.undelegated_ops, check.problem) == (True, 1, {}, None)


def test_probe_tells_what_xnnpack_refuses(tmp_path: Path) -> None:
    # input scale 1 * weight scale 1/127 / output scale 1e-6 is far above the 256 that XNNPACK accepts.
    path = write_classifier(tmp_path / "m.tflite", "int8", output_scale=1e-6)
    check = probe(path, kernels="xnnpack")
    assert not check.loads
    assert check.partitions is None
    assert "does not load under xnnpack" in str(check.problem)
    assert probe(path, kernels="builtin").loads


def test_probe_survives_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", lambda argv, timeout_s: process.Completed(-11, "", "boom\n"))
    check = probe(tmp_path / "m.tflite", kernels="xnnpack")
    assert check.problem == "the runtime crashed: its process ended with code -11 (boom)"
    monkeypatch.setattr(process, "run", lambda argv, timeout_s: process.Completed(None, "", ""))
    check = probe(tmp_path / "m.tflite", kernels="xnnpack")
    assert check.problem == "the runtime crashed: its process did not end in time (no output)"


def test_a_file_is_probed_anew_only_until_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, run, started = tmp_path / "m.tflite", process.run, []

    def counted(argv: list[str], timeout_s: float) -> process.Completed:
        started.append(argv)
        crashes = len(started) == 1
        return process.Completed(-11, "", "boom\n") if crashes else run(argv, timeout_s=timeout_s)

    monkeypatch.setattr(process, "run", counted)
    write_classifier(path, "uint8", output_scale=0.125)  # bytes of no other test
    found = [probe(path, kernels="builtin") for _ in range(3)]
    assert ([check.loads for check in found], len(started)) == ([False, True, True], 2)
    write_classifier(path, "uint8", output_scale=0.0625)
    assert probe(path, kernels="builtin").loads
    assert len(started) == 3


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no valid TFLite flatbuffer, expected a whole .tflite file; it may be truncated"),
        (b"some text that is no model at all", "no valid TFLite flatbuffer"),
        (None, "no such file, expected a .tflite file"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "m.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=text):
        open_model(path)


def test_truncated_file(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "m.tflite", "int8")
    whole = path.read_bytes()
    for length in range(100, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="truncated"):
            open_model(path)


def test_tflite_runtime_needs_numpy_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(RuntimeUnavailableError) as caught:
        open_model(tmp_path / "m.tflite", runtime="tflite-runtime")
    assert "works with NumPy 1 only: got NumPy 2.4.6; use --runtime litert" in str(caught.value)


def test_runtime_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtime._MODULES, "litert", ("no_such_module", ("no-such-package",)))
    with pytest.raises(RuntimeUnavailableError, match="pip install no-such-package"):
        open_model(tmp_path / "m.tflite")


def test_process_run() -> None:
    done = process.run(
        ["python3", "-c", "import sys; print('out'); sys.stderr.write('err'); sys.exit(3)"], timeout_s=30
    )
    assert done == process.Completed(3, "out\n", "err")
    late = process.run(
        ["python3", "-c", "print('x', flush=True); import time; time.sleep(60)"], timeout_s=0.5
    )
    assert late.returncode is None
