"""`benchmark_model` of the emulated phone: runs the pushed model by the real TFLite interpreter.

Flags, texts and formats are those of the build that the binary plays; durations are measured, or scripted.
They are this computer's or a test's, never a phone's: the phone says so by `ro.boot.qemu`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from device import benchmark_formats as formats
from device.benchmark_accelerators import TOOL, DelegateFailedError, delegation_lines, speed_factor
from device.benchmark_flags import FlagError, Flags, usage
from device.benchmark_profile import profile_texts, profiled_ops
from device.benchmark_result import closing_block, result_file
from device.conditions import pass_time
from device.launches import launch_number, wait_until_it_may_end
from device.stand_in_behaviour import Behaviour


def load_runtime() -> None:
    """Imports what each launch needs, once."""
    import ai_edge_litert.interpreter  # noqa: F401
    import numpy  # noqa: F401


def run(request: dict[str, Any]) -> int:
    """Plays one launch in the present process, which must be a child process; returns the exit code."""
    return _Launch(request).run()


class _FailedError(Exception):
    """The tool gives up; the text goes to the error stream."""


class _Launch:
    def __init__(self, request: dict[str, Any]) -> None:
        self.root: str = request["root"]
        self.state = Path(request["state"])
        self.program: str = request["argv"][0]
        self.arguments: list[str] = request["argv"][1:]
        self.pid: int = request["pid"]
        self.behaviour = self._behaviour()
        self.build = self.behaviour.build
        self.prefixed = self.build in ("2.10", "nightly", "litert2")
        self.of_litert = self.build == "litert2"
        self._printed_bytes = self.spent_us = 0

    def run(self) -> int:
        if code := self._refused_by_system():
            return code
        if self.build != "1.13":
            self.say("STARTING!")
        try:
            self.flags = Flags(self.build, self.arguments)
            if self.flags.on("help"):
                raise FlagError
        except FlagError as error:
            return self._tell_usage(str(error))
        if self.flags.unconsumed:
            self.say(f"Unconsumed cmdline flags: {' '.join(self.flags.unconsumed)}", warning=True)
        if self.build == "2.3" and "num_threads" in self.flags.given:
            self.say("Duplicate flags: num_threads")
        if self.build != "1.13":
            for line in self.flags.log_lines():
                self.say(line)
        try:
            self._benchmark()
        except _FailedError as error:
            self.complain(str(error))
            self.complain("Benchmarking failed.")
            return 1
        return 0

    def say(self, text: str, *, warning: bool = False) -> None:
        prefix = ("WARN: " if warning else "INFO: ") if self.prefixed else ""
        self._write(1, f"{prefix}{text}\n")

    def log(self, text: str) -> None:
        """Writes as LiteRT's logger does."""
        self._write(2, f"INFO: [./litert/tools/benchmark_litert_model.h:72] {text}\n")

    def complain(self, text: str) -> None:
        """Writes the tool's errors; the runtime's carry a prefix in every build."""
        prefix = "ERROR: " if self.prefixed and not text.startswith("ERROR: ") else ""
        self._write(2, f"{prefix}{text}\n")

    def fatal(self, text: str) -> NoReturn:
        self._write(2, f"{'FATAL: ' if self.prefixed else ''}{text}\n")
        self.die(signal.SIGABRT)

    def die(self, number: signal.Signals) -> NoReturn:
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        raise AssertionError("still alive")

    def _write(self, stream: int, text: str) -> None:
        data = text.replace(f"{self.root}/", "/").encode()
        limit = self.behaviour.cut_output_bytes
        if stream == 1 and limit is not None and self._printed_bytes + len(data) >= limit:
            os.write(1, data[: limit - self._printed_bytes])
            self.die(signal.SIGKILL)
        self._printed_bytes += len(data) if stream == 1 else 0
        while data:
            data = data[os.write(stream, data) :]

    def _tell_usage(self, error: str) -> int:
        if error:
            self._write(2, f"{error}\n")
        self.complain(usage(self.build, self.program))
        self.complain("Benchmarking failed.")
        return 1

    # What goes wrong before it starts.

    def _behaviour(self) -> Behaviour:
        for path in (self.state / "behaviours" / f"{self.pid}.json", self.state / "behaviour.json"):
            if path.exists():
                return Behaviour(**json.loads(path.read_text()))
        lines = Path(self.program).read_bytes().splitlines()
        return Behaviour(**json.loads(lines[2].lstrip(b"# ")))

    def _refused_by_system(self) -> int:
        if self.behaviour.fault == "abi":
            self._write(2, f"/system/bin/sh: {self.program}: not executable: 64-bit ELF file\n")
            return 126
        if self.behaviour.fault == "linker":
            text = 'library "libc++_shared.so" not found: needed by main executable'
            self._write(2, f'CANNOT LINK EXECUTABLE "{self.program}": {text}\n')
            return 1
        return 0

    # The benchmark.

    def _benchmark(self) -> None:
        graph = self.flags.text("graph")
        if not graph:
            raise _FailedError("Please specify the name of your TF Lite input file with --graph")
        figures_path = self.state / "figures.json"
        self.figures = json.loads(figures_path.read_text()) if figures_path.exists() else None
        began = time.monotonic()
        interpreter, init_us = self._load(graph)
        self._feed(interpreter)
        self._measure(interpreter, init_us)
        if self.figures and self.figures["own_time"]:
            pass_time(Path(self.root), self.state, self.spent_us)
        if self.figures:
            time.sleep(max(0.0, self.figures["launch_s"] - (time.monotonic() - began)))
        wait_until_it_may_end(self.state, self.pid)

    def _load(self, graph: str) -> tuple[Any, int]:
        """Loads the model as the build would; returns the interpreter and the time it took, microseconds."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._check_file(graph)
        if self.of_litert:
            self.log(f"Loading model from: {graph}")
            self._write(2, "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        else:
            self.say(f"Loaded model {graph}{'.old' if self.behaviour.other_graph else ''}")
        if self.build == "1.13":
            self.say("resolved reporter")
        if self.build == "nightly":
            self._write(2, "INFO: Initialized TensorFlow Lite runtime.\n")
        self.on_xnnpack = self._wants_xnnpack()
        threads = max(1, int(self.flags.number("num_threads")))
        resolver = (
            OpResolverType.BUILTIN if self.on_xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        began = time.perf_counter_ns()
        try:
            interpreter = Interpreter(graph, num_threads=threads, experimental_op_resolver_type=resolver)
        except ValueError:
            self.die(signal.SIGSEGV)
        try:
            interpreter.allocate_tensors()
        except RuntimeError as error:
            lines = [f"ERROR: {line}" for line in str(error).splitlines() if line]
            raise _FailedError("\n".join([*lines, "Failed to allocate tensors!"])) from error
        init_us = (time.perf_counter_ns() - began) // 1000
        if self.figures:
            init_us = self.figures["init_us"]
        self._tell_delegates(interpreter)
        if self.build != "1.13":
            self.say(f"The input model file size (MB): {Path(graph).stat().st_size / 1e6:g}")
        self.say(f"Initialized session in {init_us / 1e3:g}ms{'.' if self.build != '1.13' else ''}")
        return interpreter, init_us

    def _check_file(self, graph: str) -> None:
        if not Path(graph).is_file():
            raise _FailedError(f"ERROR: Could not open '{graph}'.\nFailed to mmap model {graph}")
        with Path(graph).open("rb") as file:
            identifier = file.read(8)[4:8].decode("latin-1")
        if identifier != "TFL3":
            raise _FailedError(
                f"ERROR: Model provided has model identifier '{identifier}', should be 'TFL3'\n\n"
                f"Failed to mmap model {graph}"
            )

    def _wants_xnnpack(self) -> bool:
        """Builds of 2.10 and later apply XNNPACK unless told not to, older ones only when told to."""
        if self.behaviour.always_xnnpack:
            return True
        return self.flags.on("use_xnnpack") if "use_xnnpack" in self.flags.given else self.prefixed

    def _tell_delegates(self, interpreter: Any) -> None:
        self.ops, self.partitions, delegated, total = profiled_ops(interpreter)
        try:
            for line in delegation_lines(self.behaviour, self.flags, total):
                self.say(line.text) if line.stream == TOOL else self._write(2, f"{line.text}\n")
        except DelegateFailedError as error:
            raise _FailedError(str(error)) from error
        if not self.partitions or self.of_litert:
            return
        if self.build == "nightly":
            self._write(
                2,
                f"VERBOSE: Replacing {delegated} out of {total} node(s) with delegate "
                f"(TfLiteXNNPackDelegate) node, yielding {self.partitions} partitions for subgraph 0.\n",
            )
        if "use_xnnpack" in self.flags.given:
            extent = "completely" if delegated == total else "partially"
            self.say("XNNPACK delegate created.")
            with_kernels = "" if delegated == total else f" w/ {self.partitions} delegate kernels"
            self.say(
                f"Explicitly applied XNNPACK delegate, and the model graph will be {extent} executed by the "
                f"delegate{with_kernels}."
            )

    def _feed(self, interpreter: Any) -> None:
        """Fills the inputs: from `input_layer_value_files`, else with the same random values each time."""
        import numpy as np

        names = [name for name in self.flags.text("input_layer").split(",") if name]
        pairs = [entry for entry in self.flags.text("input_layer_value_files").split(",") if entry]
        files = dict(entry.split(":", 1) for entry in pairs)
        for name in files:
            if name not in names:
                known = ",".join(names)
                self.fatal(
                    f"Cannot find the corresponding input_layer name({name}) in --input_layer as {known}"
                )
        random = np.random.default_rng(0)
        for index, details in enumerate(interpreter.get_input_details()):
            if names and names[index] != details["name"]:
                self.fatal(f"Tensor # {index} is named {details['name']} but flags call it {names[index]}")
            shape, dtype = details["shape"], np.dtype(details["dtype"])
            if names and names[index] in files:
                values = self._file_values(files[names[index]], int(np.prod(shape)) * dtype.itemsize)
                content = np.frombuffer(values, dtype).reshape(shape)
            elif dtype.kind == "f":
                content = random.uniform(-0.5, 0.5, shape).astype(dtype)
            else:
                content = random.integers(0, 127, shape).astype(dtype)
            interpreter.set_tensor(details["index"], content)

    def _file_values(self, path: str, wanted_bytes: int) -> bytes:
        if not Path(path).is_file():
            self.fatal(f"Failed to read the input_layer_value_file:{path}")
        values = Path(path).read_bytes()
        if len(values) != wanted_bytes:
            self.fatal(f"The size of {path} is {len(values)} bytes. It should be {wanted_bytes} bytes.")
        return values

    def _measure(self, interpreter: Any, init_us: int) -> None:
        number = self.flags.number
        warmup = self._runs(
            interpreter, int(number("warmup_runs")), number("warmup_min_secs"), scripted="warmup"
        )
        runs = self._runs(interpreter, int(number("num_runs")), number("min_secs"), scripted="inference")
        first = warmup[0] if warmup else 0
        if self.of_litert:
            for line in closing_block(runs, warmup, init_us):
                self.log(line)
        elif self.build == "1.13":
            self.say(
                f"Average inference timings in us: Warmup: {formats.average(warmup)}, Init: {init_us}, "
                f"no stats: {formats.average(runs)}"
            )
        else:
            self.say(
                f"Inference timings in us: Init: {init_us}, First inference: {first}, "
                f"Warmup (avg): {formats.average(warmup)}, Inference (avg): {formats.average(runs)}"
            )
            self._tell_memory()
        self._save_outputs(interpreter)
        if (path := self.flags.text("result_file_path")) and warmup and runs:
            content = result_file([run + self.behaviour.other_result_us for run in runs], warmup, init_us)
            self._save(path, content[: self.behaviour.cut_result_bytes])
        if self.flags.on("enable_op_profiling"):
            self._tell_profile(init_us, runs)

    def _runs(self, interpreter: Any, at_least: int, min_secs: float, *, scripted: str) -> list[int]:
        """Runs the model until both limits are reached, or `max_secs`; returns durations in microseconds."""
        max_secs = self.flags.number("max_secs")
        until = "" if self.build == "1.13" else f" but terminate if exceeding {max_secs:g} seconds."
        self.say(
            f"Running benchmark for at least {at_least} iterations and at least {min_secs:g} seconds{until}"
        )
        measuring = scripted == "inference"
        script = self._script(scripted)
        runs: list[int] = []
        spent_us = 0
        while (len(runs) < at_least or spent_us < min_secs * 1e6) and spent_us <= max_secs * 1e6:
            if measuring:
                self._maybe_fail(len(runs))
                if self.behaviour.at_most_runs is not None and len(runs) >= self.behaviour.at_most_runs:
                    break
            if script:
                if not runs and measuring:
                    interpreter.invoke()
                duration_us = round(script[len(runs) % len(script)] * self._slowdown())
            else:
                began = time.perf_counter_ns()
                interpreter.invoke()
                duration_us = round((time.perf_counter_ns() - began) / 1000 * self._slowdown())
            runs.append(duration_us)
            spent_us += duration_us
        self.spent_us += spent_us
        self.say(formats.count_line(runs, percentiles=self.build in ("nightly", "litert2")) + "\n")
        return runs

    def _script(self, scripted: str) -> list[int]:
        """Scripted durations of this launch; the launches of one model take the lists in turn."""
        if not self.figures:
            return []
        if scripted == "warmup":
            return list(self.figures["warmup_us"])
        name = Path(self.flags.text("graph")).name
        scripts = self.figures["inference_us"]
        lists: list[list[int]] = scripts.get(name) or scripts.get("*") or []
        if self.figures["in_order_us"]:
            name, lists = "any", self.figures["in_order_us"]
        return lists[launch_number(self.state, name) % len(lists)] if lists else []

    def _slowdown(self) -> float:
        on_cpu = float((self.state / "slowdown").read_text())
        return on_cpu * speed_factor(self.behaviour, self.flags)

    def _maybe_fail(self, runs: int) -> None:
        if runs != self.behaviour.fault_after_runs:
            return
        fault = self.behaviour.fault
        if fault == "hang":
            while True:
                time.sleep(3600)
        elif fault == "abort":
            self._write(2, "terminating with uncaught exception of type std::bad_alloc\n")
            self.die(signal.SIGABRT)
        elif fault == "segfault":
            self.die(signal.SIGSEGV)
        elif fault == "kill":
            self.die(signal.SIGKILL)

    def _tell_memory(self) -> None:
        size_mb = Path(self.flags.text("graph")).stat().st_size / 2**20
        self.say(formats.NOTE)
        if self.build == "2.3":
            self.say(f"Peak memory footprint (MB): init=0 overall={3 * size_mb:g}")
            return
        self.say(
            f"Memory footprint delta from the start of the tool (MB): init={size_mb:g} "
            f"overall={2 * size_mb:g}"
        )
        if self.flags.on("report_peak_memory_footprint"):
            self.say(f"Overall peak memory footprint (MB) via periodic monitoring: {3 * size_mb:g}")

    def _save_outputs(self, interpreter: Any) -> None:
        if path := self.flags.text("output_filepath"):
            outputs = [
                interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()
            ]
            self._save(path, b"".join(output.tobytes() for output in outputs))

    def _save(self, path: str, content: bytes) -> bool:
        """Writes a file of the phone; False when the phone refuses."""
        capacity = int((self.state / "data_capacity_bytes").read_text())
        data = Path(f"{self.root}/data")
        used = sum(file.lstat().st_size for file in data.rglob("*") if file.is_file())
        if (self.state / "read_only").exists() or not Path(path).parent.is_dir():
            return False
        Path(path).write_bytes(content[: max(0, capacity - used)])
        return True

    def _tell_profile(self, init_us: int, runs: list[int]) -> None:
        file = self.flags.text("op_profiling_output_file") or self.flags.text("profiling_output_csv_file")
        csv = self.flags.text("op_profiling_output_mode") == "csv" or bool(
            self.flags.text("profiling_output_csv_file")
        )
        texts = profile_texts(
            self.ops, runs, init_us, delegated=bool(self.partitions), csv=csv, with_start=not self.prefixed
        )
        if not file or not self._save(file, "".join(f"{text}\n" for text in texts).encode()):
            for text in texts:
                self.say(text)
