"""Flags of `benchmark_model`, as the builds know them, and what a build says about those it was given."""

from __future__ import annotations

from typing import NamedTuple

from device.stand_in_behaviour import Build

BUILDS: tuple[Build, ...] = ("1.13", "2.3", "2.6", "2.10", "nightly", "litert2")


class Flag(NamedTuple):
    """A flag: type as the usage text names it, default, label in the log (empty: none), first build."""

    kind: str
    default: str
    label: str
    since: Build


# In the order in which the log lists them.
FLAGS: dict[str, Flag] = {
    "num_runs": Flag("int32", "50", "Min num runs", "1.13"),
    "min_secs": Flag("float", "1", "Min runs duration (seconds)", "1.13"),
    "max_secs": Flag("float", "150", "Max runs duration (seconds)", "2.3"),
    "run_delay": Flag("float", "-1", "Inter-run delay (seconds)", "1.13"),
    "num_threads": Flag("int32", "-1", "Num threads", "1.13"),
    "benchmark_name": Flag("string", "", "Benchmark name", "1.13"),
    "output_prefix": Flag("string", "", "Output prefix", "1.13"),
    "warmup_runs": Flag("int32", "1", "Min warmup runs", "1.13"),
    "warmup_min_secs": Flag("float", "0.5", "Min warmup runs duration (seconds)", "1.13"),
    "verbose": Flag("bool", "false", "", "2.3"),
    "dry_run": Flag("bool", "false", "Run w/o invoking kernels", "2.6"),
    "report_peak_memory_footprint": Flag("bool", "false", "Report the peak memory footprint", "2.6"),
    "graph": Flag("string", "", "Graph", "1.13"),
    "signature_to_run_for": Flag("string", "", "Signature to run", "nightly"),
    "input_layer": Flag("string", "", "Input layers", "1.13"),
    "input_layer_shape": Flag("string", "", "Input shapes", "1.13"),
    "input_layer_value_range": Flag("string", "", "Input value ranges", "2.3"),
    "input_layer_value_files": Flag("string", "", "Input value files", "2.3"),
    "allow_fp16": Flag("bool", "false", "Allow fp16", "1.13"),
    "require_full_delegation": Flag("bool", "false", "Require full delegation", "2.3"),
    "enable_op_profiling": Flag("bool", "false", "Enable op profiling", "2.3"),
    "op_profiling_output_mode": Flag("string", "stdout", "Op profiling output mode", "nightly"),
    "op_profiling_output_file": Flag("string", "", "Op profiling output file", "nightly"),
    "max_profiling_buffer_entries": Flag("int32", "1024", "Max profiling buffer entries", "2.3"),
    "profiling_output_csv_file": Flag("string", "", "CSV File to export profiling data to", "2.3"),
    "output_filepath": Flag("string", "", "File path to export outputs layer to", "nightly"),
    "result_file_path": Flag("string", "", "File path to export benchmark result to", "nightly"),
    "help": Flag("bool", "false", "", "2.3"),
    "use_gpu": Flag("bool", "false", "Use gpu", "2.3"),
    "use_nnapi": Flag("bool", "false", "Use NNAPI", "1.13"),
    "disable_nnapi_cpu": Flag("bool", "true", "Disable NNAPI cpu", "2.6"),
    "use_xnnpack": Flag("bool", "false", "Use xnnpack", "2.3"),
    "use_cpu": Flag("bool", "true", "", "litert2"),
    "use_npu": Flag("bool", "false", "", "litert2"),
    "dispatch_library_path": Flag("string", "", "", "litert2"),
    "compiler_plugin_library_path": Flag("string", "", "", "litert2"),
    "use_profiler": Flag("bool", "false", "", "litert2"),
}
# LiteRT's tool took over what measures, and left out what feeds, profiles and delegates.
_NOT_OF_LITERT = {
    *("input_layer", "input_layer_shape", "input_layer_value_range", "input_layer_value_files"),
    *("enable_op_profiling", "op_profiling_output_mode", "op_profiling_output_file"),
    *("max_profiling_buffer_entries", "profiling_output_csv_file", "output_filepath"),
    *("use_nnapi", "disable_nnapi_cpu", "use_xnnpack"),
}


def known_to(build: Build) -> dict[str, Flag]:
    """The flags of a build."""
    known = {name: flag for name, flag in FLAGS.items() if BUILDS.index(flag.since) <= BUILDS.index(build)}
    left_out = _NOT_OF_LITERT if build == "litert2" else set[str]()
    return {name: flag for name, flag in known.items() if name not in left_out}


class FlagError(Exception):
    """A value that does not parse; the text names it."""


class Flags:
    """The flags of one launch.

    Attributes:
        given: Names of known flags that were given, in that order.
        unconsumed: Arguments that the build does not know.
    """

    def __init__(self, build: Build, arguments: list[str]) -> None:
        known = known_to(build)
        self._of_litert = build == "litert2"
        self._values = {name: flag.default for name, flag in known.items()}
        self.given: list[str] = []
        self.unconsumed: list[str] = []
        for argument in arguments:
            name, _, value = argument.removeprefix("--").partition("=")
            if not argument.startswith("--") or name not in known or "=" not in argument:
                if argument == "--help":
                    self._values["help"] = "true"
                else:
                    self.unconsumed.append(argument)
                continue
            if not _parses(known[name].kind, value):
                raise FlagError(f"Failed to parse flag '{name}' against argv '{argument}'")
            self._values[name] = value
            self.given.append(name)

    def text(self, name: str) -> str:
        """The value, or the default; empty for a flag that the build does not know."""
        return self._values.get(name, "")

    def number(self, name: str) -> float:
        """The value of a number."""
        return float(self._values.get(name, FLAGS[name].default))

    def on(self, name: str) -> bool:
        """The value of a switch."""
        return self._values.get(name, "false").lower() in ("true", "1")

    def log_lines(self) -> list[str]:
        """What the tool says about its parameters: those that were given, and the graph."""
        lines = ["Log parameter values verbosely: [0]"]
        for name, flag in FLAGS.items():
            always = name == "graph" or (name == "signature_to_run_for" and name in self._values)
            always = always and not self._of_litert
            if name == "graph" and self._of_litert:
                continue
            is_delegate = name.startswith("use_")
            if flag.label and not is_delegate and (always or name in self.given):
                lines.append(f"{flag.label}: [{_shown(flag, self._values[name])}]")
        if "num_threads" in self.given and not self._of_litert:
            lines.append(f"#threads used for CPU inference: [{self.text('num_threads')}]")
        for name in ("use_gpu", "use_nnapi", "use_xnnpack"):
            if name in self.given:
                lines.append(f"{FLAGS[name].label}: [{_shown(FLAGS[name], self.text(name))}]")
        return lines


def usage(build: Build, program: str) -> str:
    """The text that `--help` and a value that does not parse give."""
    lines = [f"usage: {program} <flags>", "Flags:"]
    known = [(f"--{name}={flag.default}", flag.kind) for name, flag in known_to(build).items()]
    width = max(len(name) for name, _kind in known)
    lines += [f"\t{name:{width}}\t{kind}\toptional\t{name[2:].partition('=')[0]}" for name, kind in known]
    return "\n".join(lines) + "\n"


def _parses(kind: str, value: str) -> bool:
    try:
        if kind == "int32":
            int(value)
        elif kind == "float":
            float(value)
    except ValueError:
        return False
    return kind != "bool" or value.lower() in ("true", "false", "1", "0")


def _shown(flag: Flag, value: str) -> str:
    if flag.kind == "bool":
        return "1" if value.lower() in ("true", "1") else "0"
    return f"{float(value):g}" if flag.kind == "float" else value
