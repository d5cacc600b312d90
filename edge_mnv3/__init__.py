"""Take a MobileNetV3 from Keras to a phone: build, quantize, validate, benchmark, package.

    import edge_mnv3 as em

    graph = em.GraphRequest(variant=em.parse_variant("small_minimalistic"))
    made = em.quantize(em.QuantizeRequest(graph=graph, calibration="photos/", output_dir=Path("out")))

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
    from edge_mnv3.core.errors import EdgeMnv3Error as EdgeMnv3Error
    from edge_mnv3.core.reporting import Reporter as Reporter
    from edge_mnv3.core.results.json_format import from_json as from_json
    from edge_mnv3.core.results.json_format import to_json as to_json
    from edge_mnv3.model.arch import Variant as Variant
    from edge_mnv3.model.arch import parse_variant as parse_variant
    from edge_mnv3.model.graphs import GraphRequest as GraphRequest
    from edge_mnv3.stages.bench import DeviceBenchRequest as DeviceBenchRequest
    from edge_mnv3.stages.bench import bench as bench
    from edge_mnv3.stages.build import BuildRequest as BuildRequest
    from edge_mnv3.stages.build import build as build
    from edge_mnv3.stages.calibrate import CalibrateRequest as CalibrateRequest
    from edge_mnv3.stages.calibrate import calibrate as calibrate
    from edge_mnv3.stages.diagnose import DiagnoseRequest as DiagnoseRequest
    from edge_mnv3.stages.diagnose import diagnose as diagnose
    from edge_mnv3.stages.inspect import InspectRequest as InspectRequest
    from edge_mnv3.stages.inspect import inspect as inspect
    from edge_mnv3.stages.package import PackageRequest as PackageRequest
    from edge_mnv3.stages.package import package as package
    from edge_mnv3.stages.quantize import QuantizeRequest as QuantizeRequest
    from edge_mnv3.stages.quantize import quantize as quantize
    from edge_mnv3.stages.validate import ValidateRequest as ValidateRequest
    from edge_mnv3.stages.validate import validate as validate
    from edge_mnv3.stages.verify import VerifyRequest as VerifyRequest
    from edge_mnv3.stages.verify import verify as verify
    from edge_mnv3_android_bench.measuring.host import HostBenchRequest as HostBenchRequest

# Public name to the module that defines it; a type checker reads the imports above.
_PUBLIC = {
    "BuildRequest": "edge_mnv3.stages.build",
    "CalibrateRequest": "edge_mnv3.stages.calibrate",
    "DeviceBenchRequest": "edge_mnv3.stages.bench",
    "DiagnoseRequest": "edge_mnv3.stages.diagnose",
    "EdgeMnv3Error": "edge_mnv3.core.errors",
    "GraphRequest": "edge_mnv3.model.graphs",
    "HostBenchRequest": "edge_mnv3_android_bench.measuring.host",
    "InspectRequest": "edge_mnv3.stages.inspect",
    "PackageRequest": "edge_mnv3.stages.package",
    "QuantizeRequest": "edge_mnv3.stages.quantize",
    "Reporter": "edge_mnv3.core.reporting",
    "ValidateRequest": "edge_mnv3.stages.validate",
    "Variant": "edge_mnv3.model.arch",
    "VerifyRequest": "edge_mnv3.stages.verify",
    "bench": "edge_mnv3.stages.bench",
    "build": "edge_mnv3.stages.build",
    "calibrate": "edge_mnv3.stages.calibrate",
    "diagnose": "edge_mnv3.stages.diagnose",
    "from_json": "edge_mnv3.core.results.json_format",
    "inspect": "edge_mnv3.stages.inspect",
    "package": "edge_mnv3.stages.package",
    "parse_variant": "edge_mnv3.model.arch",
    "quantize": "edge_mnv3.stages.quantize",
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
