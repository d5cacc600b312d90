"""What results depend on wherever they are made: versions, this program's code, the kind of processor."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import pkgutil
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.cache import sha256_sources
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.runtime import LoadedModel

_PACKAGES = ("edge_mnv3.core", "edge_mnv3_calibration_data", "edge_mnv3_quantization")
_PROCESSOR_FACTS = ("model name", "flags", "features", "cpu part", "cpu variant")


class Environment(NamedTuple):
    """Where files are run over images.

    Attributes:
        runtime: Name and version of the TFLite runtime.
        numpy: Version of NumPy.
        decoder: As `ImageSource.decoder` has it: Pillow, its codecs, and the code that decodes.
        program: Hash of this program's code; None where there are no files of it.
        processor: Hash of what tells which kernels the processor gets.
    """

    runtime: str
    numpy: str
    decoder: str
    program: str | None
    processor: str

    def differences(self, other: Environment) -> list[str]:
        """Names what another one has otherwise than this one, other than the processor."""
        told = []
        for name, ours, theirs in zip(self._fields, self, other, strict=True):
            if name == "processor" or ours == theirs:
                continue
            told.append(
                "another version of edge-mnv3" if name == "program" else f"{name} {theirs}, not {ours}"
            )
        return told


def environment(models: Sequence[LoadedModel], images: ImageSource) -> Environment:
    """Describes this process.

    Args:
        models: Loaded files.
        images: Any images of the source.
    """
    runtime = models[0].runtime if models else ""
    return Environment(runtime, np.__version__, images.decoder, _program(), processor())


@functools.cache
def _program() -> str | None:
    return sha256_sources([module for package in _PACKAGES for module in _modules(package)])


def _modules(package: str) -> Iterator[str]:
    """The names of all modules of a package, none of which is imported for it but the package's folders."""
    spec = importlib.util.find_spec(package)
    for module in pkgutil.iter_modules(spec.submodule_search_locations if spec else None):
        name = f"{package}.{module.name}"
        if module.ispkg:
            yield from _modules(name)
        else:
            yield name


@functools.cache
def processor() -> str:
    """What tells which kernels a processor gets: float results of others differ in their last bits."""
    facts = {platform.machine(), platform.processor()}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() in _PROCESSOR_FACTS:
                facts.add(value.strip())
    except OSError:
        pass  # not Linux
    return hashlib.sha256("\n".join(sorted(facts)).encode()).hexdigest()[:16]
