"""The embedded default: a small classifier of handwritten digits that goes through the whole pipeline."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edge_mnv3.core.choices import DEMO_FOLDER, PreprocessName
from edge_mnv3.core.errors import OutputError
from edge_mnv3.core.outputs import staged
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.demo import DemoResult
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.tensorflow_package import check_tensorflow
from edge_mnv3.model.arch import Variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3_calibration_data.sources.digits import CLASSES, write_digits


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoModel:
    """The bundled weights and what they were trained for; made by `tools/train_demo.py`."""

    weights_file: str
    variant: Variant
    input_size_px: int
    preprocess: PreprocessName


DEMO = DemoModel(
    weights_file="demo_digits.weights.h5",
    variant=Variant("small", True, 0.5),
    input_size_px=64,
    preprocess="resize",
)


def demo_weights() -> Path:
    """Path of the bundled weights."""
    return Path(str(resources.files("edge_mnv3"))) / "data" / DEMO.weights_file


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest(Request):
    """Where the demo works.

    Attributes:
        folder: For everything; removed again if the demo does not end well, unless it was there before.
        force: Use the folder even if it exists.
    """

    folder: AnyPath = DEMO_FOLDER
    force: bool = False


def demo(request: DemoRequest, reporter: Reporter = SILENT) -> DemoResult:
    """Writes the digits as images, quantizes, validates on held-out images, measures on this machine.

    Raises:
        MissingExtraError: TensorFlow or scikit-learn is not installed.
        OutputError: The folder exists and `force` is off, or cannot be written.
    """
    check_call("demo", (DemoRequest,), request, reporter)
    check_tensorflow("the demo")
    folder = Path(request.folder)
    existed = folder.exists()
    if existed and not request.force:
        raise OutputError(f"demo folder {folder} exists already", next_step="use --force, or another -o")
    finished = False
    try:
        result = _run(folder, force=request.force, reporter=reporter)
        finished = True
        return result
    finally:
        if not finished and not existed:
            shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, *, force: bool, reporter: Reporter) -> DemoResult:
    from edge_mnv3_android_bench.measuring.host import bench_host
    from edge_mnv3_android_bench.measuring.plan import HostBenchRequest

    reporter.step("writing the handwritten digits")
    training, held_out = write_digits(folder / "digits")
    request = QuantizeRequest(
        graph=GraphRequest(
            variant=DEMO.variant,
            input_size_px=DEMO.input_size_px,
            classes=CLASSES,
            weights=str(demo_weights()),
        ),
        calibration=str(training),
        preprocess=DEMO.preprocess,
        output_dir=folder,
        force=force,
    )
    quantized = quantize(request, reporter)
    float_path, int8_path = Path(quantized.float_path), Path(quantized.int8_path)
    validated = validate(
        ValidateRequest(
            float_path=float_path, int8_path=int8_path, data=held_out, preprocess=DEMO.preprocess
        ),
        reporter,
    )
    reporter.step("measuring latency")
    result = DemoResult(
        folder=str(folder),
        quantize=quantized,
        validate=validated,
        bench_float=bench_host(HostBenchRequest(model=float_path), reporter),
        bench_int8=bench_host(HostBenchRequest(model=int8_path), reporter),
    )
    with staged([folder / "demo.json"], force=force) as (file,):
        file.write_text(to_json(result), encoding="utf-8")
    return result
