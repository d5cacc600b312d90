"""Measurements on devices for people to read."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from edge_mnv3.commands.accelerator_tables import accelerator_lines, build_name, where
from edge_mnv3.core.cores import name_cores
from edge_mnv3.core.results.binaries import LITERT
from edge_mnv3.core.results.launch_figures import LAUNCH_FIGURES, LaunchFigure
from edge_mnv3.core.results.verdicts import CONDITIONS_DIFFER, EMULATED_REASON, UNSTABLE

if TYPE_CHECKING:
    from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult
    from edge_mnv3.core.results.bench_log import BenchLogResult
    from edge_mnv3.core.results.bench_report import DeviceBenchReport
    from edge_mnv3.core.results.device import DeviceInfo, PhoneOutputs
    from edge_mnv3.core.results.profile import DeviceProfileResult
    from edge_mnv3.core.results.verdicts import CompareResult, MeasuredCell, ReproduceCell, ReproduceResult

EMULATED_TITLE = "EMULATED DEVICE, NOT A PHONE: "
_SLOWEST_SHOWN = 10


def bench_table(report: DeviceBenchReport) -> str:
    """Writes a report, device by device."""
    sections = []
    for serial in dict.fromkeys(result.conditions.device.serial for result in report.results):
        of_device = [result for result in report.results if result.conditions.device.serial == serial]
        cells = [cell for entry in report.published if entry.serial == serial for cell in entry.cells]
        how = protocol_line(of_device[0].conditions, swept=is_sweep(of_device))
        lines = [device_line(of_device[0].conditions.device), how, "", *result_lines(of_device)]
        lines += accelerator_lines(of_device)
        left_out = [entry for entry in report.not_measured if entry.serial == serial]
        lines += [f"not measured: {entry.what}: {entry.why}" for entry in left_out]
        if any(cell.published_ms is not None for cell in cells):
            lines += ["", *cell_lines(cells)]
        for profile in report.profiles:
            if profile.conditions.device.serial == serial:
                lines += ["", *profile_lines(profile)]
        outputs = [output for output in report.outputs if output.device.serial == serial]
        if outputs:
            lines += ["", *map(outputs_line, outputs)]
        sections.append("\n".join(lines))
    return "\n\n".join(sections)


def reproduce_table(result: ReproduceResult) -> str:
    """Writes verdicts: the cells, then what the sources and the ranks say."""
    lines = [device_line(result.device)]
    lines += [protocol_line(result.results[0].conditions)] if result.results else []
    lines += ["", *cell_lines(result.cells)]
    unstable = [measured for measured in result.results if not measured.stable]
    if unstable:
        lines += ["", "not quotable:"]
        lines += [f"  {file_and_binary(r.conditions)}: {remarks(r)}" for r in unstable]
    if result.published_device is None:
        nearest = f"; {result.nearest}" if result.nearest else ""
        lines += ["", f"{result.device.model} has no published figure{nearest}"]
    elif result.nearest:
        lines += ["", f"{result.device.model} has no figure of the first sources; {result.nearest}"]
    if result.contradictions:
        lines += ["", "the sources contradict one another:"]
    for contradiction in result.contradictions:
        name = network_name(contradiction.variant, contradiction.alpha, contradiction.precision)
        given = ", ".join(f"{source} {ms:g}" for source, ms in contradiction.published_ms.items())
        lines.append(
            f"  {name} on {contradiction.device}: {given} ms, {contradiction.spread_percent:.0f} % apart"
        )
    ranks = [rank for rank in result.rank_orders if rank.kendall_tau_b is not None]
    if ranks:
        lines += ["", "rank order of the networks (1: the same, -1: the reverse):"]
    for rank in ranks:
        files = f", int8 by {rank.recipe}" if rank.recipe else ""
        tau = f"{rank.kendall_tau_b:+.2f} over {rank.networks} networks"
        lines.append(f"  {rank.source} and '{rank.binary}'{files}: {tau}")
    if result.kernel_era:
        era = result.kernel_era
        spread = f" (95 % interval {era.ci95[0]:.2f} to {era.ci95[1]:.2f})" if era.ci95 else ""
        lines += [
            "",
            f"kernel-era factor: with '{era.current}' an inference takes {era.factor:.2f} times as long as "
            f"with '{era.reference}'{spread}, median of {era.networks}",
        ]
    return "\n".join(lines)


def compare_table(result: CompareResult) -> str:
    """Writes in words whether results differ."""
    lines = []
    for comparison in result.comparisons:
        which = f"{comparison.measured}: " if len(result.comparisons) > 1 else ""
        lines += [which + comparison.text, *(f"  {figure.text}" for figure in comparison.launch_figures)]
        lines += [f"  allowed to differ: {d.name}: {d.a} and {d.b}" for d in comparison.differences]
    return "\n".join([*lines, *(f"not compared: {text}" for text in result.not_compared)])


def log_table(result: BenchLogResult) -> str:
    """Writes the figures of logs."""
    rows = [("log", "graph", "median ms", "average ms", "first ms", "start-up ms", "runs", "delegate")]
    for launch in result.launches:
        timings = launch.timings
        rows.append(
            (
                _last_part(launch.log_path),
                _last_part(launch.graph or "not told"),
                _optional_ms(timings.median_us),
                _optional_ms(timings.avg_us),
                _optional_ms(timings.first_inference_us),
                _optional_ms(timings.init_us),
                str(timings.num_runs),
                timings.delegate,
            )
        )
    told = "no log tells the phone, its cores, clocks or heat: these figures are held against nothing"
    return "\n".join([*aligned(rows, right={2, 3, 4, 5, 6}), told])


def device_line(device: DeviceInfo) -> str:
    """Says which device was measured."""
    title = EMULATED_TITLE if device.emulated else ""
    return f"{title}{device.model} ({device.serial}), {device.soc}, {device.system}, {device.abi}"


def protocol_line(conditions: DeviceBenchConditions, *, swept: bool = False) -> str:
    """Says how it was measured; of a sweep each row says on which threads and cores."""
    protocol = conditions.protocol
    threads = "1 thread" if protocol.num_threads == 1 else f"{protocol.num_threads} threads"
    where = "threads and cores in turns" if swept else f"{threads}, core mask {conditions.cpu_mask}"
    name = "custom" if swept else protocol.name
    return f"protocol {name}: {where}, {protocol.kernels} kernels, {protocol.num_runs} runs a launch"


def is_sweep(results: Sequence[DeviceBenchResult]) -> bool:
    """Whether results of a device differ in threads or cores."""
    return len({(r.conditions.protocol.num_threads, r.conditions.cpu_mask) for r in results}) > 1


def result_lines(results: Sequence[DeviceBenchResult]) -> list[str]:
    """Writes latencies; an unstable one is never a figure. A sweep has columns for threads and cores."""
    swept = is_sweep(results)
    rows = [
        (
            *("file", "binary", *(("cores", "threads") if swept else ()), "median ms", "95 % interval"),
            *("variation %", "launches", "start-up ms", "first ms", "peak MB", ""),
        )
    ]
    for result in results:
        conditions = result.conditions
        counted = sum(not launch.problems for launch in result.launches)
        variation = result.coefficient_of_variation_percent
        cores = name_cores(conditions.device.clusters, conditions.cpus)
        rows.append(
            (
                _file_name(conditions),
                build_name(conditions),
                *((cores, f"{conditions.protocol.num_threads}") if swept else ()),
                "not quotable" if result.median_us is None else f"{result.median_us / 1e3:.3f}",
                _interval_ms(result.ci95_us),
                "" if variation is None else f"{variation:.2f}",
                f"{counted} of {len(result.launches)}",
                *(_shown_median(figure, result) for figure in LAUNCH_FIGURES),
                remarks(result),
            )
        )
    places = {2, 4, 6, 7, 8}
    return aligned(rows, right={place + 2 for place in places} | {3} if swept else places)


def _shown_median(figure: LaunchFigure, result: DeviceBenchResult) -> str:
    """The median over the launches that count; empty where none tells it, or none is to be quoted."""
    figures = figure.of_result(result) if result.stable else ()
    return f"{statistics.median(figures) / figure.unit_scale:.{figure.decimals}f}" if figures else ""


def remarks(result: DeviceBenchResult) -> str:
    """Says why a result is not quotable and what was observed, or what was accepted against the rules."""
    texts = [*(f"accepted: {text}" for text in result.accepted), *result.problems]
    if result.problems and result.observed:
        seen = result.observed
        texts.append(
            f"observed: median {seen.median_us / 1e3:.3f} ms, minimum {seen.min_us / 1e3:.3f} ms, spread "
            f"{seen.spread_percent:.1f} %"
        )
    return "; ".join(texts)


def cell_lines(cells: Sequence[ReproduceCell]) -> list[str]:
    """Writes published latencies beside measured ones, source by source.

    The ratio and the verdict are those of the first build that a source's conditions fit: of the published
    figures' time, TensorFlow Lite's of today, LiteRT's; where they fit none, of the first of these.
    """
    notes: dict[tuple[str, ...], int] = {}
    with_litert = any(_litert(cell) for cell in cells)
    builds = ("era ms", "current ms", *(("LiteRT ms",) if with_litert else ()))
    headings = ("network", "file", "source", "published ms", *builds, "ratio", "95 % interval", "verdict")
    rows: list[tuple[str, ...]] = [headings]
    for cell in cells:
        columns = (_era(cell), _current(cell), *((_litert(cell),) if with_litert else ()))
        decides = _deciding(columns)
        condition = f" ({cell.published_conditions})" if cell.published_conditions else ""
        rows.append(
            (
                network_name(cell.variant, cell.alpha, cell.precision),
                cell.recipe or "float",
                f"{cell.source}{condition}" if cell.source else "",
                "" if cell.published_ms is None else f"{cell.published_ms:g}",
                *map(_milliseconds, columns),
                f"{decides.ratio:.2f}" if decides and decides.ratio is not None else "",
                _ratio_interval(decides),
                _verdict(decides, notes) if decides else "",
            )
        )
    lines = aligned(rows, right=set(range(3, len(headings) - 2)))
    return [*lines, *(f"[{number}] {'; '.join(reasons)}" for reasons, number in notes.items())]


def profile_lines(profile: DeviceProfileResult) -> list[str]:
    """Writes where the time of an inference goes."""
    ops = profile.profile
    lines = [
        f"profile of {file_and_binary(profile.conditions)}: {ops.total_us / 1e3:.3f} ms an inference with "
        f"the profiler on, over {ops.runs} runs, {ops.partitions} partitions of a delegate"
    ]
    types = [(share.op_type, f"{share.count}", f"{share.share_percent:.1f} %") for share in ops.by_type]
    lines += _indented(aligned([("operators", "count", "time"), *types], right={1, 2}))
    if ops.delegated_ops:
        taken = ", ".join(f"{count} {name}" for name, count in ops.delegated_ops.items())
        lines.append(f"  inside the delegate's partitions: {taken}")
    slowest = [
        (cost.op_type, ", ".join(cost.outputs)[:60], f"{cost.time_us:.0f}", f"{cost.share_percent:.1f} %")
        for cost in ops.slowest(_SLOWEST_SHOWN)
    ]
    return lines + _indented(aligned([("slowest", "makes", "us", "time"), *slowest], right={2, 3}))


def outputs_line(outputs: PhoneOutputs) -> str:
    """Says how a file's outputs on the device compare with this machine's."""
    return (
        f"outputs of {outputs.model_path} with '{outputs.binary}' and on this machine ({outputs.runtime}), "
        f"{outputs.kernels} kernels: {outputs.same_top1} of {outputs.images} inputs have the same top class, "
        f"{outputs.equal_values_percent:.2f} % of the values are equal, largest difference "
        f"{outputs.max_difference:g}"
    )


def network_name(variant: str, alpha: float, precision: str) -> str:
    """Names a network as the options do."""
    return f"{variant}{'' if alpha == 1 else f'_{alpha:g}'} {precision}"


def file_and_binary(conditions: DeviceBenchConditions) -> str:
    """Names a measurement on its device."""
    return f"{_file_name(conditions)} with '{conditions.binary.name}'{where(conditions)}"


def _file_name(conditions: DeviceBenchConditions) -> str:
    return _last_part(conditions.model_path)


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _era(cell: ReproduceCell) -> MeasuredCell | None:
    return next((m for m in cell.measured if m.of_published_time), None)


def _current(cell: ReproduceCell) -> MeasuredCell | None:
    return next((m for m in cell.measured if not m.of_published_time and m.runtime != LITERT), None)


def _litert(cell: ReproduceCell) -> MeasuredCell | None:
    return next((m for m in cell.measured if m.runtime == LITERT), None)


def _deciding(columns: Iterable[MeasuredCell | None]) -> MeasuredCell | None:
    measured = [cell for cell in columns if cell is not None]
    fits = (cell for cell in measured if cell.verdict != CONDITIONS_DIFFER)
    return next(fits, next(iter(measured), None))


def _milliseconds(measured: MeasuredCell | None) -> str:
    if measured is None:
        return "-"
    return "unstable" if measured.measured_ms is None else f"{measured.measured_ms:.2f}"


def _ratio_interval(measured: MeasuredCell | None) -> str:
    if measured is None or measured.ratio_ci95 is None:
        return ""
    low, high = measured.ratio_ci95
    return f"{low:.2f} to {high:.2f}"


def _verdict(measured: MeasuredCell, notes: dict[tuple[str, ...], int]) -> str:
    """The verdict with the number of the note that gives its reasons; equal reasons share one."""
    words = measured.verdict
    emulated = EMULATED_REASON in measured.reasons
    if measured.by_ratio and measured.by_ratio != measured.verdict and not emulated:
        words += f" (by the ratio: {measured.by_ratio})"
    if not measured.reasons or measured.verdict == UNSTABLE:
        return words  # a table says why a result is unstable beside the result itself
    return f"{words} [{notes.setdefault(measured.reasons, len(notes) + 1)}]"


def _optional_ms(us: float | None) -> str:
    return "" if us is None else f"{us / 1e3:.3f}"


def _interval_ms(interval_us: tuple[float, float] | None) -> str:
    return "" if interval_us is None else f"{interval_us[0] / 1e3:.3f} to {interval_us[1] / 1e3:.3f}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def aligned(rows: Sequence[tuple[str, ...]], *, right: set[int]) -> list[str]:
    """Writes columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cells(row: tuple[str, ...]) -> Iterator[str]:
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            yield cell.rjust(width) if place in right else cell.ljust(width)

    return ["  ".join(cells(row)).rstrip() for row in rows]
