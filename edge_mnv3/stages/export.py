"""The stage `export`: measurements in the forms that other programs read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import ExportForm
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.outputs import check_apart, check_writable, write_text
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.device import EMULATED_DEVICE
from edge_mnv3.stages.export_run import is_run, run_figures, run_results, with_bencher, with_github
from edge_mnv3_android_bench.comparison.export import as_bencher, as_csv, as_github, exported
from edge_mnv3_android_bench.comparison.latencies import read_bench_results
from edge_mnv3_android_bench.comparison.leaderboard import as_leaderboard, check_names
from edge_mnv3_android_bench.comparison.pyperf_form import as_pyperf
from edge_mnv3_android_bench.comparison.trace import as_trace, profile_name, read_profiles

_LEADERBOARD, _TAG = "litert-leaderboard", "image-classification"
_WANTED = "the JSON of bench or reproduce, or the run.json of a run"
_PROFILES = "perfetto"  # the form of profiles; the others are of latencies
_FORMS = {"csv": as_csv, "bencher": as_bencher, "github-action-benchmark": as_github, "pyperf": as_pyperf}
_WITH_FIGURES = {"bencher": with_bencher, "github-action-benchmark": with_github}  # of a run.json, too


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest(Request):
    """What to export, and in which form.

    Attributes:
        results: JSON results of `bench` or `reproduce`, or the `run.json` of a run: of it latencies, and in
            the forms `bencher` and `github-action-benchmark` accuracy, size and Arm instructions too.
        form: `csv`, `bencher`, `github-action-benchmark`, `pyperf`, `perfetto`: a trace of the profiles, or
            `litert-leaderboard`: rows of LiteRT's leaderboard.
        output: Where to write it; None for nowhere.
        repository: Of `litert-leaderboard`: where the model file is, `OWNER/NAME` on Hugging Face.
        pipeline_tag: Of `litert-leaderboard`: the task of that repository; None for `image-classification`.
        force: Overwrite `output`.
    """

    results: Sequence[AnyPath]
    form: ExportForm = "csv"
    output: AnyPath | None = None
    repository: str | None = None
    pipeline_tag: str | None = None
    force: bool = False

    def check(self) -> None:
        """Refuses a request without results.

        Raises:
            ArgumentError: There is none; the names for the leaderboard are not right.
        """
        if not self.results:
            raise ArgumentError("ExportRequest: results", "none", "at least one result")
        if self.form != _LEADERBOARD:
            given = {"repository": self.repository, "pipeline_tag": self.pipeline_tag}
            for name, value in given.items():
                if value is not None:
                    raise ArgumentError(
                        f"--{name.replace('_', '-')}", repr(value), f"--as {_LEADERBOARD} with it"
                    )
        elif self.repository is None:
            raise ArgumentError(
                "--repository", "none", f"OWNER/NAME on Hugging Face, for --as {_LEADERBOARD}"
            )
        else:
            check_names(self.repository, self.pipeline_tag or _TAG)


def export(request: ExportRequest, reporter: Reporter = SILENT) -> str:
    """Writes measurements in another form, and returns the text.

    What is not to be quoted, and what an emulated device gave, is no figure: a table says why, the other
    forms leave it out, and the reporter is warned of it.

    Raises:
        InputFileError: A file cannot be read, or is no result; two measurements have one name; none has a
            figure, and the form has room for figures only; there is no profile for a trace.
        OutputError: The output cannot be written.
    """
    check_call("export", (ExportRequest,), request, reporter)
    paths = [Path(result) for result in request.results]
    if request.output:
        check_apart({"output": Path(request.output)}, inputs=paths)
        check_writable([Path(request.output)], force=request.force)
    if request.form == _PROFILES:
        text = _trace(paths, reporter)
    elif request.form == _LEADERBOARD:
        text = _rows(paths, request, reporter)
    else:
        text = _latencies(paths, request.form, reporter)
    if request.output:
        write_text(Path(request.output), text, force=request.force)
    return text


def _latencies(paths: Sequence[Path], form: ExportForm, reporter: Reporter) -> str:
    runs = [path for path in paths if is_run(path)]
    figures = [figure for path in runs for figure in run_figures(path)] if form in _WITH_FIGURES else []
    measured = [path for path in paths if path not in runs]
    measured += [results["bench"] for path in runs if "bench" in (results := run_results(path))]
    entries = exported([result for path in measured for result in read_bench_results(path, wanted=_WANTED)])
    for entry in entries:
        if entry.why_not:
            reporter.warn(f"no figure of {entry.name}: {entry.why_not}")
    if form != "csv" and not figures and not any(entry.median_us is not None for entry in entries):
        raise InputFileError("results to export", "none with a figure to quote", "one at least")
    text = _FORMS[form](entries)
    return _WITH_FIGURES[form](text, figures) if figures else text


def _rows(paths: Sequence[Path], request: ExportRequest, reporter: Reporter) -> str:
    entries = exported([result for path in paths for result in read_bench_results(path)])
    text = as_leaderboard(
        entries, repository=request.repository or "", pipeline_tag=request.pipeline_tag or _TAG
    )
    reporter.warn(
        "the leaderboard's own rows set no number of threads: how many these used stands in their binary"
    )
    return text


def _trace(paths: Sequence[Path], reporter: Reporter) -> str:
    found = [profile for path in paths for profile in read_profiles(path)]
    for profile in found:
        if profile.conditions.device.emulated:
            reporter.warn(f"no trace of {profile_name(profile)}: {EMULATED_DEVICE}")
    real = [profile for profile in found if not profile.conditions.device.emulated]
    if not real:
        raise InputFileError(
            "profiles to export", "none of a phone", "one at least", "measure with bench --device --profile"
        )
    return as_trace(real)
