"""Golden images on phones, joined: a device and a build of `benchmark_model` become a runner for `verify`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import CURRENT_BINARY, Kernels
from edge_mnv3.core.errors import BenchmarkBinaryError
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3.core.results.delegation import XNNPACK_DELEGATE
from edge_mnv3.core.results.device import EMULATED_DEVICE
from edge_mnv3.core.tflite.input_facts import known_range
from edge_mnv3.packaging.golden import Answers
from edge_mnv3_android_bench.benchmark_model.choice import ready_binary
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.device.selection import find_devices
from edge_mnv3_android_bench.measuring.fleet import open_fleet
from edge_mnv3_android_bench.measuring.phone_outputs import Feed, run_on_phone
from edge_mnv3_android_bench.measuring.session import DeviceSession, ReadyBinary, place_binary


@dataclass(frozen=True, slots=True)
class PhoneRunner:
    """A device with `benchmark_model` on it.

    Attributes:
        session: The device.
        ready: The build on it.
        kernels: Under which it runs.
    """

    session: DeviceSession
    ready: ReadyBinary
    kernels: Kernels = "xnnpack"

    @property
    def name(self) -> str:
        """For people; an emulated device is said to be one."""
        info = self.session.info
        where = f"{info.serial}, {EMULATED_DEVICE}" if info.emulated else info.serial
        return f"{info.model} ({where}), benchmark_model {self.ready.binary.name}, {self.kernels}"

    def run(self, model: Path, images: Sequence[Pixels]) -> Answers:
        """Runs a file with one thread, in a launch of its own for each image.

        Raises:
            BenchmarkBinaryError: The build did not hand the model to XNNPACK where that was asked for, or
                cannot take inputs from files.
            EdgeMnv3Error: As in `run_on_phone`.
        """
        feed = Feed(images, known_range(model))
        answers = run_on_phone(self.session, self.ready, model, feed, kernels=self.kernels)
        version = f" {self.ready.binary.version}" if self.ready.binary.version else ""
        runtime = f"benchmark_model {self.ready.binary.name}{version}"
        if self.kernels == "xnnpack":
            runtime += f", {self._delegation(answers.launches)}"
        return Answers([tuple(each.reshape(-1) for each in outputs) for outputs in answers.outputs], runtime)

    def _delegation(self, launches: Sequence[LaunchTimings]) -> str:
        """What XNNPACK took in the first launch.

        Raises:
            BenchmarkBinaryError: A launch ran without it: its answers would be held against another kind of
                kernels.
        """
        others = [launch.delegate for launch in launches if launch.delegate != XNNPACK_DELEGATE]
        if others:
            raise BenchmarkBinaryError(
                f"benchmark binary '{self.ready.binary.name}' on device {self.session.info.serial}",
                f"a launch whose delegate is: {others[0]}",
                f"{XNNPACK_DELEGATE}, which gave the golden outputs",
                f"use another build: --benchmark-binary {CURRENT_BINARY}",
            )
        parts = launches[0].partitionings
        nodes = [
            f"{part.replaced_nodes} of {part.nodes} nodes"
            for part in parts
            if part.replaced_nodes is not None and part.nodes is not None
        ]
        return ", ".join([f"{XNNPACK_DELEGATE}, {sum(part.partitions for part in parts)} partitions", *nodes])


@contextmanager
def phone_runners(
    serials: Sequence[str], *, adb: Path | None, benchmark_binary: str, reporter: Reporter
) -> Iterator[tuple[PhoneRunner, ...]]:
    """Makes devices ready to run golden images: each has the build in the tool's folder, and has run it.

    The devices are locked for the time of the block.

    Args:
        serials: As in `find_devices`.
        adb: The adb binary; None for the one that `find_adb` finds.
        benchmark_binary: A file, or a name in the registry.
        reporter: Told of each step.

    Raises:
        EdgeMnv3Error: There is no adb, a device is not usable, or the build is none for it or cannot be had.
    """
    registry = BinaryRegistry()
    with open_fleet(find_devices(adb, serials, reporter), reporter) as fleet:
        for failed in fleet.failures:
            raise failed.error
        runners = []
        for session in fleet.sessions:
            reporter.step(f"device {session.serial}")
            name = ready_binary(registry, benchmark_binary, session.info.abis, reporter)
            runners.append(PhoneRunner(session, place_binary(session, registry, name)))
        yield tuple(runners)
