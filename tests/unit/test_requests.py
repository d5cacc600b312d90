"""Wrong arguments from Python: each is one of this program's errors, when the request is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.requests import AnyPath, Count, Request, expected
from edge_mnv3.model.arch import Variant, parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.bench import bench
from edge_mnv3.stages.bench_requests import DeviceBenchRequest
from edge_mnv3.stages.build import BuildRequest, build
from edge_mnv3.stages.calibrate import CalibrateRequest, calibrate
from edge_mnv3.stages.compare import CompareRequest, compare
from edge_mnv3.stages.demo import DemoRequest, demo
from edge_mnv3.stages.diagnose import DiagnoseRequest, diagnose
from edge_mnv3.stages.inspect import InspectRequest, inspect
from edge_mnv3.stages.package import PackageRequest, package
from edge_mnv3.stages.published import published
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3.stages.reproduce import ReproduceRequest, reproduce
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3.stages.variant_files import VariantFilesRequest
from edge_mnv3.stages.verify import VerifyRequest, verify
from edge_mnv3_android_bench.measuring.plan import CoolDown, HostBenchRequest
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED

GRAPH = GraphRequest(variant=parse_variant("small"))
GRAPHS: Callable[..., Any] = partial(GraphRequest, variant=parse_variant("small"))
QUANTIZE: Callable[..., Any] = partial(QuantizeRequest, graph=GRAPH)
CALIBRATE: Callable[..., Any] = partial(CalibrateRequest, graph=GRAPH, output="out")
VALIDATE: Callable[..., Any] = partial(ValidateRequest, float_path="f", int8_path="q", data="d")
DIAGNOSE: Callable[..., Any] = partial(DiagnoseRequest, float_path="f", int8_path="q")
HOST_BENCH: Callable[..., Any] = partial(HostBenchRequest, model="m")
PACKAGE: Callable[..., Any] = partial(PackageRequest, models=["m"])
DEVICE_BENCH: Callable[..., Any] = partial(DeviceBenchRequest, models=["m"])
REPRODUCE: Callable[..., Any] = partial(
    ReproduceRequest, files=VariantFilesRequest(variants=[parse_variant("small")])
)
VERIFY: Callable[..., Any] = partial(VerifyRequest, bundle="b")

PREPROCESSINGS = "'slim', 'resize' or 'resize256'"
COUNT = "a whole number, at least 1"
WRONG: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (GRAPHS, {"variant": "small"}, "GraphRequest: variant: got 'small', expected a Variant"),
    (GRAPHS, {"variant": Variant("tiny", False, 1.0)},  # type: ignore[arg-type]
     "size of the variant: got 'tiny', expected 'small' or 'large'"),
    (GRAPHS, {"variant": Variant("small", False, 0.0)},
     "alpha: got 0.0, expected a finite number greater than 0"),
    (GRAPHS, {"input_size_px": 16},
     "GraphRequest: input_size_px: got 16, expected a whole number, at least 32 or None"),
    (GRAPHS, {"input_size_px": 224.0},
     "GraphRequest: input_size_px: got 224.0, expected a whole number, at least 32 or None"),
    (GRAPHS, {"classes": 0}, f"GraphRequest: classes: got 0, expected {COUNT} or None"),
    (GRAPHS, {"weights": None}, "GraphRequest: weights: got None, expected a path"),
    (GRAPHS, {"include_softmax": 1}, "GraphRequest: include_softmax: got 1, expected True or False"),
    (BuildRequest, {"graph": GRAPH, "output": 3}, "BuildRequest: output: got 3, expected a path"),
    (QUANTIZE, {"graph": "small"},
     "QuantizeRequest: graph: got 'small', expected a GraphRequest or a ModelRequest"),
    (QUANTIZE, {"samples": 0}, f"QuantizeRequest: samples: got 0, expected {COUNT} or None"),
    (QUANTIZE, {"samples": True}, f"QuantizeRequest: samples: got True, expected {COUNT} or None"),
    (QUANTIZE, {"seed": 1.5}, "QuantizeRequest: seed: got 1.5, expected a whole number"),
    (QUANTIZE, {"preprocess": "crop"}, f"QuantizeRequest: preprocess: got 'crop', expected {PREPROCESSINGS}"),
    (QUANTIZE, {"recipe": "best"}, "recipe: got 'best', expected stock or accurate or fast"),
    (QUANTIZE, {"recipe": "stock", "hard_swish": "fused"},
     "--hard-swish with recipe stock: got fused, expected auto; use --recipe accurate"),
    (QUANTIZE, {"target": "phone"},
     "--target phone: got no --budget, expected one: the target decides how a budget is spent, and nothing "
     "else; use --budget 0 for the cheapest file, or a number of percent"),
    (QUANTIZE, {"target": "phone", "budget_percent": 0, "hard_swish": "lowered"},
     "--target phone with --hard-swish lowered: got one form for every hard-swish, expected auto: the target "
     "chooses forms; leave one of the two out"),
    (QUANTIZE, {"hard_swish": "none"},
     "QuantizeRequest: hard_swish: got 'none', expected 'auto', 'lowered' or 'fused'"),
    (QUANTIZE, {"io": "uint16"},
     "QuantizeRequest: io: got 'uint16', expected 'uint8', 'int8' or 'float32'"),
    (QUANTIZE, {"io": ["uint8"]},
     "QuantizeRequest: io: got ['uint8'], expected 'uint8', 'int8' or 'float32'"),
    (QUANTIZE, {"calibration": None}, "QuantizeRequest: calibration: got None, expected a path"),
    (QUANTIZE, {"force": "yes"}, "QuantizeRequest: force: got 'yes', expected True or False"),
    (CALIBRATE, {"samples": -5}, f"CalibrateRequest: samples: got -5, expected {COUNT} or None"),
    (CALIBRATE, {"preprocess": ""}, f"CalibrateRequest: preprocess: got '', expected {PREPROCESSINGS}"),
    (CALIBRATE, {"merge": "other"},
     "CalibrateRequest: merge: got 'other', expected a list or tuple, each item a path"),
    (VALIDATE, {"kernels": "gpu"},
     "ValidateRequest: kernels: got 'gpu', expected 'auto', 'xnnpack' or 'builtin'"),
    (VALIDATE, {"runtime": "torch"},
     "ValidateRequest: runtime: got 'torch', expected 'litert', 'tflite-runtime' or 'tensorflow'"),
    (VALIDATE, {"preprocess": "crop"}, f"ValidateRequest: preprocess: got 'crop', expected {PREPROCESSINGS}"),
    (VALIDATE, {"class_offset": -1},
     "ValidateRequest: class_offset: got -1, expected a whole number, at least 0 or None"),
    (VALIDATE, {"workers": 0}, f"ValidateRequest: workers: got 0, expected {COUNT} or None"),
    (VALIDATE, {"max_drop_points": float("nan")},
     "ValidateRequest: max_drop_points: got nan, expected a number or None"),
    (DIAGNOSE, {"samples": 1}, "DiagnoseRequest: samples: got 1, expected a whole number, at least 2"),
    (DIAGNOSE, {"preprocess": "crop"}, f"DiagnoseRequest: preprocess: got 'crop', expected {PREPROCESSINGS}"),
    (InspectRequest, {"path": b"m"}, "InspectRequest: path: got b'm', expected a path"),
    (InspectRequest, {"path": "m", "runtime": None},
     "InspectRequest: runtime: got None, expected 'litert', 'tflite-runtime' or 'tensorflow'"),
    (HOST_BENCH, {"kernels": "auto"},
     "HostBenchRequest: kernels: got 'auto', expected 'xnnpack' or 'builtin'"),
    (HOST_BENCH, {"num_runs": 0}, f"HostBenchRequest: num_runs: got 0, expected {COUNT}"),
    (HOST_BENCH, {"num_threads": 0}, f"HostBenchRequest: num_threads: got 0, expected {COUNT}"),
    (HOST_BENCH, {"warmup_runs": -1},
     "HostBenchRequest: warmup_runs: got -1, expected a whole number, at least 0"),
    (PACKAGE, {"models": "out"},
     "PackageRequest: models: got 'out', expected a list or tuple, each item a path"),
    (PACKAGE, {"models": []},
     "PackageRequest: models: got none, expected at least one .tflite file or folder"),
    (PACKAGE, {"score_transformation": "exp"},
     "PackageRequest: score_transformation: got 'exp', expected 'identity', 'log' or 'inverse-logistic'"),
    (PACKAGE, {"name": 3}, "PackageRequest: name: got 3, expected a text or None"),
    (VERIFY, {"devices": "all"},
     "VerifyRequest: devices: got 'all', expected a list or tuple, each item a text"),
    (VERIFY, {"arm": None}, "VerifyRequest: arm: got None, expected True or False"),
    (DEVICE_BENCH, {"models": []},
     "DeviceBenchRequest: models: got none, expected at least one .tflite file, or variants"),
    (DEVICE_BENCH, {"serials": "all"},
     "DeviceBenchRequest: serials: got 'all', expected a list or tuple, each item a text"),
    (DEVICE_BENCH, {"protocol": "app"},
     "DeviceBenchRequest: protocol: got 'app', expected a Protocol"),
    (DEVICE_BENCH, {"protocol": replace(PUBLISHED, launches=0)},
     "protocol, launches: got 0, expected at least 1"),
    (CoolDown, {"max_s": -1.0}, "CoolDown: max_s: got -1.0, expected a number, at least 0"),
    (VariantFilesRequest, {"variants": ["small"]},
     "VariantFilesRequest: variants: got ['small'], expected a list or tuple, each item a Variant"),
    (REPRODUCE, {"runs": 0}, f"ReproduceRequest: runs: got 0, expected {COUNT} or None"),
    (CompareRequest, {"a": "a", "b": None}, "CompareRequest: b: got None, expected a path"),
    (DemoRequest, {"folder": None}, "DemoRequest: folder: got None, expected a path"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "values", "text"), WRONG)
def test_a_wrong_value_is_an_argument_error(make: Callable[..., Any], values: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make(**values)
    assert str(caught.value) == text


STAGES = [bench, build, calibrate, compare, demo, diagnose, inspect, package, published, quantize, reproduce,
          validate, verify]  # fmt: skip
NO_REQUESTS: list[tuple[object, str]] = [
    ("model.tflite", "a str"), (None, "a NoneType"), (CoolDown(), "a CoolDown"),
    (CoolDown, "the class CoolDown itself"), ({"path": "m"}, "a dict"),
]  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("request_", "text"), NO_REQUESTS)
def test_what_is_no_request_of_the_stage(stage: Callable[..., Any], request_: object, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        stage(request_)
    assert str(caught.value).startswith(f"{stage.__name__}: request: got {text}, expected a ")
    assert str(caught.value).endswith("Request")


def test_what_is_no_reporter_or_no_result_files() -> None:
    with pytest.raises(ArgumentError, match="inspect: reporter: got a builtin_function_or_method, expected"):
        inspect(InspectRequest(path="m"), print)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"bench: files: got a str, expected a ResultFiles$"):
        bench(HostBenchRequest(model="m"), files="out.json")  # type: ignore[call-overload]


@pytest.mark.parametrize("path", ["a", Path("a")])
def test_paths_may_be_texts(path: AnyPath) -> None:
    BuildRequest(graph=GraphRequest(variant=parse_variant("small"), weights=path), output=path)
    CalibrateRequest(graph=GRAPH, output=path, calibration=path, merge=[path])
    QuantizeRequest(graph=GRAPH, output_dir=path, calibration=path)
    ValidateRequest(float_path=path, int8_path=path, data=path)
    DiagnoseRequest(float_path=path, int8_path=path, images=path)
    PackageRequest(models=(path,), labels=path, score_calibration=path, validations=[path], benches=[path])
    VerifyRequest(bundle=path, data=path, adb=path, benchmark_binary=path)
    InspectRequest(path=path)
    HostBenchRequest(model=path)
    DemoRequest(folder=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy(Request):
    """A request that is smaller than its `limit` says."""

    limit: float = 1
    size: Count | None = None

    def check(self) -> None:
        if self.size is not None and self.size > self.limit:
            raise ArgumentError("size", str(self.size), f"at most {self.limit}")


def test_a_request_checks_what_annotations_do_not_say() -> None:
    assert Toy(limit=3, size=3).size == 3
    assert Toy(limit=2.5).size is None
    with pytest.raises(ArgumentError, match="size: got 4, expected at most 3"):
        Toy(limit=3, size=4)


def test_fields_are_checked_before_the_request() -> None:
    with pytest.raises(ArgumentError, match="Toy: size: got '4', expected a whole number, at least 1 or"):
        Toy(size="4")  # type: ignore[arg-type]


def test_annotations_in_words() -> None:
    assert expected(AnyPath) == "a path"
    assert expected(Count) == "a whole number, at least 1"
    assert expected(float | None) == "a number or None"
