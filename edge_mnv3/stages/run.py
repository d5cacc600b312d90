"""The stage `run`: the pipeline of a config, resumed where it was, with gates."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_mnv3.core.errors import EdgeMnv3Error, OutputError
from edge_mnv3.core.outputs import check_writable, write_text
from edge_mnv3.core.owned_folders import check_owned_folder, owned_folder, remove_unfinished
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.json_format import to_json, to_jsonable
from edge_mnv3.core.results.run import RunGate, RunResult, RunStage, StageStatus
from edge_mnv3.core.versions import versions
from edge_mnv3.stages.report import REPORT_FILE
from edge_mnv3.stages.run_bundle import check_bundle
from edge_mnv3.stages.run_config_file import config_text
from edge_mnv3.stages.run_gates import SIZE, size_gate, stage_gates
from edge_mnv3.stages.run_junit import check_junit, write_junit
from edge_mnv3.stages.run_kept import (
    Noted,
    Notes,
    changed_locations,
    location_sha256,
    measures_what_is_there,
    stage_key,
)
from edge_mnv3.stages.run_plan import (
    CONFIG_FILE,
    RUN_FILE,
    RUN_MARK,
    Execute,
    Executed,
    RunPlan,
    StagePlan,
)
from edge_mnv3.stages.run_tools import arm_versions
from edge_mnv3.stages.run_touched import EARLIER_FILE, Touched
from edge_mnv3.stages.sweep_kept import code_sha256

BUNDLE = "bundle"
_AFTER_A_FAILED_GATE = ("bench", "package")  # stages that are left out then: expensive, or of no use
_PAIR = ("float", "int8")


def run(request: RunPlan, execute: Execute, reporter: Reporter = SILENT) -> RunResult:
    """Runs the stages of a config one after the other, and keeps those of which nothing has changed.

    A stage that fails ends the run: the others are skipped. A gate that fails does not: what makes no sense
    then is skipped (`bench`, `package`), all else runs. The folder holds `run.toml`, which repeats the run,
    the JSON of each stage, and `run.json`.

    Args:
        request: What to run.
        execute: Runs the command of a stage.
        reporter: Told which stages are kept, and warned of what a repeated run does not find as it was.

    Raises:
        InputFileError: A file or folder that the config names cannot be read; nothing was run.
        OutputError: The folder is not one of a run, is in use, or cannot be written to.
        KeyboardInterrupt: Ctrl-C: the same call goes on where it was.
    """
    check_owned_folder(request.folder, mark=RUN_MARK, kind="run")
    hashes: dict[str, dict[str, str | None]] = {}
    try:
        if request.junit is not None:
            check_junit(request.junit)
        for plan in request.stages:
            hashes[plan.name] = {location.key: location_sha256(location) for location in plan.locations}
    except EdgeMnv3Error:
        forget_verdict(request.folder)
        raise
    for text in _changes(request, hashes):
        reporter.warn(text)
    with owned_folder(request.folder, mark=RUN_MARK, kind="run"):
        remove_unfinished(request.folder)
        going = _Run(request, execute, reporter, hashes)
        result = going.all()
    if request.junit is not None:
        write_junit(request.junit, result)
    return result


def forget_verdict(folder: Path) -> None:
    """Removes the `run.json` of an earlier run where a later one is refused: it would be taken for its own.

    Args:
        folder: The folder; one that is none of a run, or in which a run is going on, is left alone.
    """
    if (folder / RUN_MARK).is_file():
        with contextlib.suppress(OutputError), owned_folder(folder, mark=RUN_MARK, kind="run"):
            (folder / RUN_FILE).unlink(missing_ok=True)


def _changes(request: RunPlan, hashes: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    """What is not as it was when a run wrote this config."""
    then, now = request.repeated, versions()
    changed = [
        f"{name} is {now.get(name, 'not here')}, and was {version} when {request.config} was written"
        for name, version in then.versions.items()
        if now.get(name) != version
    ]
    for plan in request.stages:
        for location in plan.locations:
            known, found = then.inputs.get(location.path), hashes[plan.name][location.key]
            if known is not None and found != known:
                changed.append(
                    f"{location.place}: {location.path} is not what it was when {request.config} was written"
                )
    return changed


class _Run:
    """A run that is going on."""

    def __init__(
        self,
        request: RunPlan,
        execute: Execute,
        reporter: Reporter,
        hashes: Mapping[str, Mapping[str, str | None]],
    ) -> None:
        self._request, self._execute, self._reporter, self._hashes = request, execute, reporter, hashes
        self._folder = request.folder
        reads = [Path(each.path) for plan in request.stages for each in plan.locations]
        self._notes = Notes(request.folder, reads)
        self._versions = versions()
        self._surroundings = {"versions": self._versions, "code": code_sha256()}
        self._stages: list[RunStage] = []
        self._gates: list[RunGate] = []
        self._pair: dict[str, Path] = {}
        self._failed = ""

    def all(self) -> RunResult:
        """Runs every stage that has its turn."""
        try:
            self._check_all_outputs()
        except EdgeMnv3Error:
            (self._folder / RUN_FILE).unlink(missing_ok=True)
            raise
        text = config_text(self._request, self._hashes, self._versions)
        write_text(self._folder / CONFIG_FILE, text, force=True)
        left = self._notes.left([plan.name for plan in self._request.stages])
        if left:
            self._reporter.note(f"left from an earlier run, and no part of this one: {', '.join(left)}")
        self._write(finished=False)
        for plan in self._request.stages:
            self._stage(plan)
            self._write(finished=False)
        return self._write(finished=True)

    def _stage(self, plan: StagePlan) -> None:
        reason = self._why_not(plan)
        if reason:
            self._notes.forget(plan.name)
            self._end(plan, "skipped", 0.0, reason)
            return
        used = self._used(plan)
        around = self._around(plan)
        key = stage_key(plan, self._hashes[plan.name], used, around)
        noted = self._notes.done(plan.name, key)
        if noted is not None and self._as_it_was(plan):
            self._reporter.note(f"{plan.name}: kept")
            for text in noted.warnings:
                self._reporter.warn(f"{plan.name}, when it ran: {text}")
            self._done(plan, noted)
            self._end(plan, "kept", 0.0, "nothing that it depends on has changed", noted)
            return
        self._notes.forget(plan.name)
        self._reporter.note(f"{plan.name}:")
        before = Touched(plan, used)
        started = time.perf_counter()
        try:
            done, paths = self._executed(plan)
        except EdgeMnv3Error as error:
            self._failed = plan.name
            self._end(plan, "failed", time.perf_counter() - started, str(error))
            return
        seconds = time.perf_counter() - started
        changed = self._changed(plan, key, used, around, before)
        for text in changed:
            self._reporter.warn(text)
        noted = self._notes.note(
            plan.name, None if changed else key, done.code, paths, (*done.warnings, *changed)
        )
        self._done(plan, noted)
        self._end(plan, "ran", seconds, "", noted)

    def _changed(
        self,
        plan: StagePlan,
        key: str | None,
        used: Sequence[Path],
        around: Mapping[str, object],
        before: Touched,
    ) -> list[str]:
        """What changed while a stage ran, so that its figures may be of either; put back or not."""
        known = self._hashes[plan.name]
        changed = changed_locations(plan, known) or before.since(Touched(plan, used))
        if not changed and key is not None:
            try:
                same = stage_key(plan, known, used, around) == key
            except OSError:
                same = False
            changed = [] if same else [f"{plan.name}: {EARLIER_FILE}"]
        return [f"{each} changed during the run: {plan.name} runs again next time" for each in changed]

    def _why_not(self, plan: StagePlan) -> str:
        """Why a stage has no turn; empty where it has."""
        if self._failed:
            return f"{self._failed} failed"
        failed = [gate.name for gate in self._gates if not gate.passed]
        if failed and plan.name in _AFTER_A_FAILED_GATE:
            return f"the gate {failed[0]} failed"
        return ""

    def _executed(self, plan: StagePlan) -> tuple[Executed, list[Path]]:
        """Runs a stage's command; returns what it gave and what it wrote.

        Raises:
            EdgeMnv3Error: The command failed, in whole or in part.
        """
        done = self._execute(plan.name, self._words(plan))
        if done.code not in (0, 3):
            raise OutputError(f"{plan.name} ended with exit code {done.code}, as it says above")
        result = self._folder / f"{plan.name}.json"
        if plan.name == "quantize":
            made = read_quantize_result(result)
            files = [Path(made.float_path), Path(made.int8_path)]
            return done, [*(self._folder / file.name for file in files), result]
        write_text(result, done.text, force=True)
        more = {"package": [self._bundle(plan)], "report": [self._folder / REPORT_FILE]}.get(plan.name, [])
        return done, [result, *more, *plan.outputs]

    def _words(self, plan: StagePlan) -> list[str]:
        """The command line of a stage: what the config gives, and what earlier stages wrote."""
        pair = {name: path for name, path in self._pair.items() if name not in plan.given}
        options, arguments = ["--json"], list(plan.arguments)
        if plan.name not in ("validate", "cost"):
            options.append("--force")
        if plan.name == "quantize":
            options.append(f"--output-dir={self._folder}")
        elif plan.name in ("validate", "diagnose"):
            options += [f"--{name}={path}" for name, path in pair.items()]
        elif plan.name == "cost" and "files" not in plan.given:
            arguments = [str(self._pair["int8"])]
        elif plan.name == "bench" and not plan.given & {"files", "log", "variant"}:
            arguments = [str(self._pair[name]) for name in _PAIR]
        elif plan.name == "package":
            options += [f"--output={self._bundle(plan)}", *self._evidence(plan)]
            arguments = arguments or [str(self._packaged())]
        elif plan.name == "report":
            options.append(f"--output={self._folder / REPORT_FILE}")
            arguments = [str(self._folder)]
        return [*plan.options, *options, "--", *arguments]

    def _evidence(self, plan: StagePlan) -> list[str]:
        """The results that a bundle holds, where the config names no others."""
        return [f"--{name}={self._folder / name}.json" for name in self._measured(plan)]

    def _measured(self, plan: StagePlan) -> list[str]:
        done = {stage.name for stage in self._stages if stage.status in ("ran", "kept")}
        return [name for name in ("validate", "bench") if name in done and name not in plan.given]

    def _packaged(self) -> Path:
        made_here = any(stage.name == "quantize" for stage in self._stages)
        return self._folder if made_here else self._pair["int8"]

    def _bundle(self, plan: StagePlan) -> Path:
        return self._folder / (f"{BUNDLE}.zip" if "--zip" in plan.options else BUNDLE)

    def _as_it_was(self, plan: StagePlan) -> bool:
        """Whether that is there too which a stage found or made itself: the files of a variant, for bench."""
        return (
            "variant" not in plan.given
            or plan.name != "bench"
            or measures_what_is_there(self._folder / f"{plan.name}.json")
        )

    def _used(self, plan: StagePlan) -> list[Path]:
        """What a stage reads of what earlier ones wrote."""
        if plan.name == "quantize":
            return []
        pair = [self._pair[name] for name in _PAIR if name in self._pair]
        # Beside files that a config names, too, stands what they are, and what their outputs mean.
        named = [path for each in plan.locations if (path := Path(each.path)).suffix == ".tflite"]
        folders = dict.fromkeys([self._folder, *(path.parent for path in (*pair, *named))])
        made = [path for folder in folders if (path := folder / QUANTIZE_FILE).is_file()]
        if plan.name in ("validate", "diagnose", "cost", "bench"):
            # What bench measures on phones it holds against what is published of the network.
            reads = plan.name in ("validate", "diagnose") or "device" in plan.given
            return [*pair, *(made if reads else [])]
        if plan.name == "package":
            return [*pair, *made, *(self._folder / f"{name}.json" for name in self._measured(plan))]
        ended = [stage for stage in self._stages if stage.status in ("ran", "kept")]
        return [*pair, *(self._folder / f"{stage.name}.json" for stage in ended)]

    def _around(self, plan: StagePlan) -> dict[str, object]:
        """What else a stage depends on: versions, and the machine of what is measured or counted."""
        around: dict[str, object] = dict(self._surroundings)
        if plan.name == "bench":
            around["machine"] = [platform.node(), platform.machine(), platform.processor()]
        if plan.name == "cost":
            around["arm"] = arm_versions()
        if plan.name == "report":  # whose page shows them
            around["gates"] = to_jsonable(self._gates)
            around["skipped"] = [stage.name for stage in self._stages if stage.status == "skipped"]
        return around

    def _check_all_outputs(self) -> None:
        """Refuses to overwrite what no stage wrote.

        Raises:
            OutputError: With what to do.
        """
        for plan in self._request.stages:
            for path in plan.outputs:
                check_writable([path], force=self._notes.wrote(path))
            bundle = self._bundle(plan)
            if plan.name == "package" and bundle.exists() and not self._notes.wrote(bundle):
                check_bundle(bundle)

    def _done(self, plan: StagePlan, noted: Noted) -> None:
        """Takes over what a stage made, and holds it against its gates."""
        result = self._folder / f"{plan.name}.json"
        if plan.name == "quantize":
            made = read_quantize_result(result)
            named = zip(_PAIR, (made.float_path, made.int8_path), strict=True)
            self._pair = {name: self._folder / Path(path).name for name, path in named}
        else:
            for name in _PAIR:
                stated = plan.text(name)
                if stated is not None:
                    self._pair.setdefault(name, Path(stated))
        limits = self._request.gates
        gates = list(stage_gates(plan.name, noted.code, limits, result, noted.warnings))
        if SIZE in limits and "int8" in self._pair and all(gate.name != SIZE for gate in self._gates):
            gates.append(size_gate(plan.name, limits, self._pair["int8"]))
        for gate in gates:
            if not gate.passed:
                self._reporter.warn(f"the gate {gate.name} failed")
        self._gates += gates

    def _end(
        self,
        plan: StagePlan,
        status: StageStatus,
        seconds: float,
        reason: str,
        noted: Noted | None = None,
    ) -> None:
        self._stages.append(
            RunStage(
                name=plan.name,
                status=status,
                seconds=round(seconds, 3),
                reason=reason,
                outputs=() if noted is None else noted.outputs,
                warnings=() if noted is None else noted.warnings,
            )
        )

    def _write(self, *, finished: bool) -> RunResult:
        good = not self._failed and all(gate.passed for gate in self._gates)
        result = RunResult(
            folder=str(self._folder),
            config=str(self._request.config),
            finished=finished,
            passed=finished and good,
            stages=tuple(self._stages),
            gates=tuple(self._gates),
            versions=self._versions,
        )
        write_text(self._folder / RUN_FILE, to_json(result), force=True)
        return result
