"""Take a MobileNetV3 from Keras to a phone: build, quantize, validate, benchmark, package.

    import edge_mnv3 as em

    graph = em.GraphRequest(variant=em.parse_variant("small_minimalistic"))
    made = em.quantize(em.QuantizeRequest(graph=graph, calibration="photos/", output_dir="out"))

Each function takes a frozen request and returns a frozen result; it prints nothing, and raises a subclass of
`EdgeMnv3Error` for everything that can be expected to go wrong. Its second argument, a `Reporter`, is told of
steps, progress and warnings. Names are imported when they are used, so that importing this package is quick
and loads neither NumPy nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edge_mnv3.core.versions import __version__

if TYPE_CHECKING:
    from edge_mnv3.core.errors import AdbUnavailableError as AdbUnavailableError
    from edge_mnv3.core.errors import ArgumentError as ArgumentError
    from edge_mnv3.core.errors import BenchmarkBinaryError as BenchmarkBinaryError
    from edge_mnv3.core.errors import BenchmarkLogError as BenchmarkLogError
    from edge_mnv3.core.errors import BundleError as BundleError
    from edge_mnv3.core.errors import CalibrationDataError as CalibrationDataError
    from edge_mnv3.core.errors import CloudUnavailableError as CloudUnavailableError
    from edge_mnv3.core.errors import ConditionsDifferError as ConditionsDifferError
    from edge_mnv3.core.errors import ConversionError as ConversionError
    from edge_mnv3.core.errors import DeviceError as DeviceError
    from edge_mnv3.core.errors import DeviceFileError as DeviceFileError
    from edge_mnv3.core.errors import DeviceLostError as DeviceLostError
    from edge_mnv3.core.errors import DeviceTimeoutError as DeviceTimeoutError
    from edge_mnv3.core.errors import DeviceUnavailableError as DeviceUnavailableError
    from edge_mnv3.core.errors import DownloadError as DownloadError
    from edge_mnv3.core.errors import EdgeMnv3Error as EdgeMnv3Error
    from edge_mnv3.core.errors import InputFileError as InputFileError
    from edge_mnv3.core.errors import MissingExtraError as MissingExtraError
    from edge_mnv3.core.errors import ModelFileError as ModelFileError
    from edge_mnv3.core.errors import ModelNotLoadedError as ModelNotLoadedError
    from edge_mnv3.core.errors import OutputError as OutputError
    from edge_mnv3.core.errors import RuntimeUnavailableError as RuntimeUnavailableError
    from edge_mnv3.core.errors import SshUnavailableError as SshUnavailableError
    from edge_mnv3.core.errors import UnusableImageError as UnusableImageError
    from edge_mnv3.core.errors import WeightsMismatchError as WeightsMismatchError
    from edge_mnv3.core.images import ImageSample as ImageSample
    from edge_mnv3.core.images import ImageSource as ImageSource
    from edge_mnv3.core.images import SampleRequest as SampleRequest
    from edge_mnv3.core.published import Figure as Figure
    from edge_mnv3.core.published import Published as Published
    from edge_mnv3.core.published import Source as Source
    from edge_mnv3.core.published import read_published as read_published
    from edge_mnv3.core.reporting import Phase as Phase
    from edge_mnv3.core.reporting import Reporter as Reporter
    from edge_mnv3.core.results.bench import DeviceBenchResult as DeviceBenchResult
    from edge_mnv3.core.results.bench import HostBenchResult as HostBenchResult
    from edge_mnv3.core.results.bench_log import BenchLogResult as BenchLogResult
    from edge_mnv3.core.results.bench_report import DeviceBenchReport as DeviceBenchReport
    from edge_mnv3.core.results.bench_turns import HostTurnsResult as HostTurnsResult
    from edge_mnv3.core.results.calibrate import CalibrateResult as CalibrateResult
    from edge_mnv3.core.results.calibration_statistics import StatisticsResult as StatisticsResult
    from edge_mnv3.core.results.cost import CostResult as CostResult
    from edge_mnv3.core.results.demo import DemoResult as DemoResult
    from edge_mnv3.core.results.diagnose import DiagnoseResult as DiagnoseResult
    from edge_mnv3.core.results.images import ImageShape as ImageShape
    from edge_mnv3.core.results.json_format import from_json as from_json
    from edge_mnv3.core.results.json_format import to_json as to_json
    from edge_mnv3.core.results.models import BuildResult as BuildResult
    from edge_mnv3.core.results.models import InspectResult as InspectResult
    from edge_mnv3.core.results.package import PackageResult as PackageResult
    from edge_mnv3.core.results.quantize import QuantizeResult as QuantizeResult
    from edge_mnv3.core.results.report import ReportResult as ReportResult
    from edge_mnv3.core.results.run import RunResult as RunResult
    from edge_mnv3.core.results.sweep import SweepPlan as SweepPlan
    from edge_mnv3.core.results.sweep import SweepResult as SweepResult
    from edge_mnv3.core.results.validate import ValidateResult as ValidateResult
    from edge_mnv3.core.results.verdicts import CompareResult as CompareResult
    from edge_mnv3.core.results.verdicts import ReproduceResult as ReproduceResult
    from edge_mnv3.core.results.verify import VerifyResult as VerifyResult
    from edge_mnv3.model.arch import VARIANTS as VARIANTS
    from edge_mnv3.model.arch import Variant as Variant
    from edge_mnv3.model.arch import parse_variant as parse_variant
    from edge_mnv3.model.graphs import GraphRequest as GraphRequest
    from edge_mnv3.pipeline import RunRequest as RunRequest
    from edge_mnv3.pipeline import run as run
    from edge_mnv3.stages.bench import bench as bench
    from edge_mnv3.stages.bench_files import ResultFiles as ResultFiles
    from edge_mnv3.stages.bench_requests import DeviceBenchRequest as DeviceBenchRequest
    from edge_mnv3.stages.build import BuildRequest as BuildRequest
    from edge_mnv3.stages.build import build as build
    from edge_mnv3.stages.calibrate import CalibrateRequest as CalibrateRequest
    from edge_mnv3.stages.calibrate import calibrate as calibrate
    from edge_mnv3.stages.calibration_statistics import CollectStatisticsRequest as CollectStatisticsRequest
    from edge_mnv3.stages.calibration_statistics import MergeStatisticsRequest as MergeStatisticsRequest
    from edge_mnv3.stages.calibration_statistics import collect_statistics as collect_statistics
    from edge_mnv3.stages.calibration_statistics import merge_statistics as merge_statistics
    from edge_mnv3.stages.compare import CompareRequest as CompareRequest
    from edge_mnv3.stages.compare import compare as compare
    from edge_mnv3.stages.cost import CostRequest as CostRequest
    from edge_mnv3.stages.cost import cost as cost
    from edge_mnv3.stages.demo import DemoRequest as DemoRequest
    from edge_mnv3.stages.demo import demo as demo
    from edge_mnv3.stages.diagnose import DiagnoseRequest as DiagnoseRequest
    from edge_mnv3.stages.diagnose import diagnose as diagnose
    from edge_mnv3.stages.inspect import InspectRequest as InspectRequest
    from edge_mnv3.stages.inspect import inspect as inspect
    from edge_mnv3.stages.package import PackageRequest as PackageRequest
    from edge_mnv3.stages.package import package as package
    from edge_mnv3.stages.quantize import QuantizeRequest as QuantizeRequest
    from edge_mnv3.stages.quantize import quantize as quantize
    from edge_mnv3.stages.report import ReportRequest as ReportRequest
    from edge_mnv3.stages.report import report as report
    from edge_mnv3.stages.reproduce import ReproduceReport as ReproduceReport
    from edge_mnv3.stages.reproduce import ReproduceRequest as ReproduceRequest
    from edge_mnv3.stages.reproduce import reproduce as reproduce
    from edge_mnv3.stages.sweep import plan_sweep as plan_sweep
    from edge_mnv3.stages.sweep import sweep as sweep
    from edge_mnv3.stages.sweep_request import SweepRequest as SweepRequest
    from edge_mnv3.stages.validate import ValidateRequest as ValidateRequest
    from edge_mnv3.stages.validate import validate as validate
    from edge_mnv3.stages.variant_files import VariantFilesRequest as VariantFilesRequest
    from edge_mnv3.stages.verify import VerifyRequest as VerifyRequest
    from edge_mnv3.stages.verify import verify as verify
    from edge_mnv3_android_bench.measuring.plan import BenchLogRequest as BenchLogRequest
    from edge_mnv3_android_bench.measuring.plan import CoolDown as CoolDown
    from edge_mnv3_android_bench.measuring.plan import HostBenchRequest as HostBenchRequest
    from edge_mnv3_android_bench.measuring.plan import HostTurnsRequest as HostTurnsRequest
    from edge_mnv3_android_bench.measuring.protocols import PROTOCOLS as PROTOCOLS
    from edge_mnv3_android_bench.measuring.protocols import Protocol as Protocol
    from edge_mnv3_android_bench.measuring.protocols import custom_protocol as custom_protocol
    from edge_mnv3_calibration_data.preprocess import PREPROCESSES as PREPROCESSES
    from edge_mnv3_calibration_data.sampling import sample_order as sample_order
    from edge_mnv3_calibration_data.source_kinds import open_images as open_images

# Public name to the module that defines it; a type checker reads the imports above.
_PUBLIC = {
    "AdbUnavailableError": "edge_mnv3.core.errors",
    "ArgumentError": "edge_mnv3.core.errors",
    "BenchLogRequest": "edge_mnv3_android_bench.measuring.plan",
    "BenchLogResult": "edge_mnv3.core.results.bench_log",
    "BenchmarkBinaryError": "edge_mnv3.core.errors",
    "BenchmarkLogError": "edge_mnv3.core.errors",
    "BuildRequest": "edge_mnv3.stages.build",
    "BuildResult": "edge_mnv3.core.results.models",
    "BundleError": "edge_mnv3.core.errors",
    "CalibrateRequest": "edge_mnv3.stages.calibrate",
    "CalibrateResult": "edge_mnv3.core.results.calibrate",
    "CalibrationDataError": "edge_mnv3.core.errors",
    "CloudUnavailableError": "edge_mnv3.core.errors",
    "CollectStatisticsRequest": "edge_mnv3.stages.calibration_statistics",
    "CompareRequest": "edge_mnv3.stages.compare",
    "CompareResult": "edge_mnv3.core.results.verdicts",
    "ConditionsDifferError": "edge_mnv3.core.errors",
    "ConversionError": "edge_mnv3.core.errors",
    "CoolDown": "edge_mnv3_android_bench.measuring.plan",
    "CostRequest": "edge_mnv3.stages.cost",
    "CostResult": "edge_mnv3.core.results.cost",
    "DemoRequest": "edge_mnv3.stages.demo",
    "DemoResult": "edge_mnv3.core.results.demo",
    "DeviceBenchReport": "edge_mnv3.core.results.bench_report",
    "DeviceBenchRequest": "edge_mnv3.stages.bench_requests",
    "DeviceBenchResult": "edge_mnv3.core.results.bench",
    "DeviceError": "edge_mnv3.core.errors",
    "DeviceFileError": "edge_mnv3.core.errors",
    "DeviceLostError": "edge_mnv3.core.errors",
    "DeviceTimeoutError": "edge_mnv3.core.errors",
    "DeviceUnavailableError": "edge_mnv3.core.errors",
    "DiagnoseRequest": "edge_mnv3.stages.diagnose",
    "DiagnoseResult": "edge_mnv3.core.results.diagnose",
    "DownloadError": "edge_mnv3.core.errors",
    "EdgeMnv3Error": "edge_mnv3.core.errors",
    "Figure": "edge_mnv3.core.published",
    "GraphRequest": "edge_mnv3.model.graphs",
    "HostBenchRequest": "edge_mnv3_android_bench.measuring.plan",
    "HostBenchResult": "edge_mnv3.core.results.bench",
    "HostTurnsRequest": "edge_mnv3_android_bench.measuring.plan",
    "HostTurnsResult": "edge_mnv3.core.results.bench_turns",
    "ImageSample": "edge_mnv3.core.images",
    "ImageShape": "edge_mnv3.core.results.images",
    "ImageSource": "edge_mnv3.core.images",
    "InputFileError": "edge_mnv3.core.errors",
    "InspectRequest": "edge_mnv3.stages.inspect",
    "InspectResult": "edge_mnv3.core.results.models",
    "MergeStatisticsRequest": "edge_mnv3.stages.calibration_statistics",
    "MissingExtraError": "edge_mnv3.core.errors",
    "ModelFileError": "edge_mnv3.core.errors",
    "ModelNotLoadedError": "edge_mnv3.core.errors",
    "OutputError": "edge_mnv3.core.errors",
    "PREPROCESSES": "edge_mnv3_calibration_data.preprocess",
    "PROTOCOLS": "edge_mnv3_android_bench.measuring.protocols",
    "PackageRequest": "edge_mnv3.stages.package",
    "PackageResult": "edge_mnv3.core.results.package",
    "Phase": "edge_mnv3.core.reporting",
    "Protocol": "edge_mnv3_android_bench.measuring.protocols",
    "Published": "edge_mnv3.core.published",
    "QuantizeRequest": "edge_mnv3.stages.quantize",
    "QuantizeResult": "edge_mnv3.core.results.quantize",
    "Reporter": "edge_mnv3.core.reporting",
    "ReportRequest": "edge_mnv3.stages.report",
    "ReportResult": "edge_mnv3.core.results.report",
    "ReproduceReport": "edge_mnv3.stages.reproduce",
    "ReproduceRequest": "edge_mnv3.stages.reproduce",
    "ReproduceResult": "edge_mnv3.core.results.verdicts",
    "ResultFiles": "edge_mnv3.stages.bench_files",
    "RunRequest": "edge_mnv3.pipeline",
    "RunResult": "edge_mnv3.core.results.run",
    "RuntimeUnavailableError": "edge_mnv3.core.errors",
    "SampleRequest": "edge_mnv3.core.images",
    "Source": "edge_mnv3.core.published",
    "SshUnavailableError": "edge_mnv3.core.errors",
    "StatisticsResult": "edge_mnv3.core.results.calibration_statistics",
    "SweepPlan": "edge_mnv3.core.results.sweep",
    "SweepRequest": "edge_mnv3.stages.sweep_request",
    "SweepResult": "edge_mnv3.core.results.sweep",
    "UnusableImageError": "edge_mnv3.core.errors",
    "VARIANTS": "edge_mnv3.model.arch",
    "ValidateRequest": "edge_mnv3.stages.validate",
    "ValidateResult": "edge_mnv3.core.results.validate",
    "Variant": "edge_mnv3.model.arch",
    "VariantFilesRequest": "edge_mnv3.stages.variant_files",
    "VerifyRequest": "edge_mnv3.stages.verify",
    "VerifyResult": "edge_mnv3.core.results.verify",
    "WeightsMismatchError": "edge_mnv3.core.errors",
    "bench": "edge_mnv3.stages.bench",
    "build": "edge_mnv3.stages.build",
    "calibrate": "edge_mnv3.stages.calibrate",
    "collect_statistics": "edge_mnv3.stages.calibration_statistics",
    "compare": "edge_mnv3.stages.compare",
    "cost": "edge_mnv3.stages.cost",
    "custom_protocol": "edge_mnv3_android_bench.measuring.protocols",
    "demo": "edge_mnv3.stages.demo",
    "diagnose": "edge_mnv3.stages.diagnose",
    "from_json": "edge_mnv3.core.results.json_format",
    "inspect": "edge_mnv3.stages.inspect",
    "merge_statistics": "edge_mnv3.stages.calibration_statistics",
    "open_images": "edge_mnv3_calibration_data.source_kinds",
    "package": "edge_mnv3.stages.package",
    "parse_variant": "edge_mnv3.model.arch",
    "plan_sweep": "edge_mnv3.stages.sweep",
    "quantize": "edge_mnv3.stages.quantize",
    "read_published": "edge_mnv3.core.published",
    "report": "edge_mnv3.stages.report",
    "reproduce": "edge_mnv3.stages.reproduce",
    "run": "edge_mnv3.pipeline",
    "sample_order": "edge_mnv3_calibration_data.sampling",
    "sweep": "edge_mnv3.stages.sweep",
    "to_json": "edge_mnv3.core.results.json_format",
    "validate": "edge_mnv3.stages.validate",
    "verify": "edge_mnv3.stages.verify",
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edge_mnv3' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names, imported or not."""
    return sorted({*globals(), *_PUBLIC})
