"""Latency: on devices launch by launch with clocks and temperature, on computers round by round."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.counts import count, listed
from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult, LaunchRecord
from edge_mnv3.core.results.bench_turns import runs_words
from edge_mnv3.core.results.device import EMULATED_DEVICE
from edge_mnv3.core.results.sustained import SustainedResult
from edge_mnv3.html_report.blocks import (
    Block,
    Cell,
    Curve,
    Line,
    Notice,
    Section,
    Table,
    Text,
    Tick,
    Tone,
    absent,
    columns,
    ends,
    number,
    row,
)
from edge_mnv3.html_report.gathered import DeviceLatencies, Gathered, HostLatencies
from edge_mnv3.html_report.sections.verdict import bench_command
from edge_mnv3.html_report.words import NONE, axis, milliseconds, percent, plain, share

KEY, TITLE = "latency", "Latency"


def latency(gathered: Gathered) -> Section:
    """All measurements of the two files; those of phones first."""
    blocks: list[Block] = []
    for devices in gathered.devices:
        blocks += _devices(devices, gathered)
    for host in gathered.host:
        blocks += _host(host, gathered)
    if not blocks:
        return absent(KEY, TITLE, "No latency was measured.", bench_command(gathered))
    if not gathered.devices:
        phone = (
            bench_command(gathered).replace("--host", "--device SERIAL").replace("bench.json", "phone.json")
        )
        text = "These figures are of a computer, and no phone was measured."
        blocks.append(Notice(tone="plain", text=text, command=phone))
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _devices(devices: DeviceLatencies, gathered: Gathered) -> list[Block]:
    report = devices.report
    blocks: list[Block] = []
    if report.results:
        blocks.append(_results(report.results, gathered))
    for result in report.results:
        blocks.append(_launches(result, gathered))
        blocks += [Notice(tone="unsure", text=finding.text) for finding in result.throttling]
        blocks += [Notice(tone="unsure", text=text) for text in result.warnings]
    for sustained in report.sustained:
        blocks += _sustained(sustained, gathered)
    blocks += [
        Notice(tone="bad", text=f"{failure.serial} was not finished: {failure.error}")
        for failure in report.failures
    ]
    return blocks


def _device_name(result: DeviceBenchResult | SustainedResult) -> str:
    device = result.conditions.device
    emulated = f" ({EMULATED_DEVICE})" if device.emulated else ""
    return f"{device.manufacturer} {device.model}{emulated}"


def _results(results: Sequence[DeviceBenchResult], gathered: Gathered) -> Table:
    rows = []
    for result in results:
        conditions = result.conditions
        interval = NONE
        if result.ci95_us is not None:
            interval = f"{plain(result.ci95_us[0] / 1000, 3)} to {plain(result.ci95_us[1] / 1000, 3)}"
        rows.append(
            row(
                _role(gathered, conditions.model_sha256),
                _device_name(result),
                f"{conditions.accelerator}, {count(conditions.protocol.num_threads, 'thread')}, "
                f"cpu mask {conditions.cpu_mask}",
                conditions.binary.name,
                number(result.median_us, milliseconds(result.median_us)),
                interval,
                "quotable" if result.stable else f"not to be quoted: {listed(result.problems)}",
            )
        )
    titles = ("File", "Device", "On", "Program", "#Median", "#95\N{NO-BREAK SPACE}% interval, ms", "Verdict")
    return Table(caption="Latency on devices", columns=columns(*titles), rows=tuple(rows))


def _role(gathered: Gathered, sha256: str) -> str:
    return gathered.subject.role(sha256) or "another file"


def _launches(result: DeviceBenchResult, gathered: Gathered) -> Table:
    rows = tuple(_launch(launch, result) for launch in result.launches)
    name = _role(gathered, result.conditions.model_sha256)
    titles = ("Launch", "#Latency", "#Runs", "#Clocks, MHz", "#Temperature, °C", "#Thermal status", "Counts")
    return Table(
        caption=f"Launches of the {name} file on {_device_name(result)}, protocol "
        f"{result.conditions.protocol.name}; clocks: {result.conditions.clocks}",
        columns=columns(*titles),
        rows=rows,
    )


def _launch(launch: LaunchRecord, result: DeviceBenchResult) -> tuple[Cell, ...]:
    timings = launch.timings
    figure = None
    if timings is not None:
        figure = timings.median_us if result.statistic == "median" else timings.avg_us
    clocks = [khz for sample in launch.samples for khz in sample.khz if khz is not None]
    heat = [sample.celsius for sample in launch.samples if sample.celsius is not None]
    status = [
        state.thermal_status
        for state in (launch.before, launch.after)
        if state is not None and state.thermal_status is not None
    ]
    return row(
        number(launch.number, f"{launch.number}, {launch.started_at}"),
        number(figure, milliseconds(figure)),
        number(timings.num_runs if timings else None, str(timings.num_runs) if timings else NONE),
        number(min(clocks, default=None), _range([khz / 1000 for khz in clocks], 0)),
        number(max(heat, default=None), _range(heat, 1)),
        number(max(status, default=None), str(max(status)) if status else NONE),
        "yes" if not launch.problems else f"no: {listed(launch.problems)}",
    )


def _range(values: Sequence[float], digits: int) -> str:
    if not values:
        return NONE
    low, high = plain(min(values), digits), plain(max(values), digits)
    return low if low == high else f"{low} to {high}"


def _sustained(result: SustainedResult, gathered: Gathered) -> list[Block]:
    """Minutes under load: the series as a curve, and the comparison in words."""
    name = _role(gathered, result.conditions.model_sha256)
    blocks: list[Block] = [Text(text=f"{name} under load on {_device_name(result)}: {result.text}")]
    points = [
        (window.start_s / 60, window.figure_us) for window in result.windows if window.figure_us is not None
    ]
    if len(points) > 1:
        low, high = ends([0.0, *(figure / 1000 for _, figure in points)])
        first, last = ends([minute for minute, _ in points])
        line = " ".join(
            f"{share(minute, first, last):g},{100 - share(figure / 1000, low, high):g}"
            for minute, figure in points
        )
        blocks.append(
            Curve(
                caption="Latency in milliseconds over the minutes",
                alt=result.text,
                lines=(Line(name=name, parts=(line,)),),
                x_ticks=tuple(
                    Tick(at_percent=tick.at_percent, text=f"{tick.text} min")
                    for tick in axis(first, last, most=4)
                ),
                y_ticks=axis(low, high, most=5, from_top=True),
                unit="ms",
            )
        )
    blocks += [Notice(tone="unsure", text=text) for text in (*result.problems, *result.warnings)]
    return blocks


def _host(host: HostLatencies, gathered: Gathered) -> list[Block]:
    rows = []
    for result in host.results:
        conditions = result.conditions
        rows.append(
            row(
                _role(gathered, conditions.model_sha256),
                number(result.median_us, milliseconds(result.median_us)),
                f"{plain(result.p5_us / 1000, 3)} to {plain(result.p95_us / 1000, 3)}",
                number(result.init_us, milliseconds(result.init_us)),
                f"{conditions.protocol.kernels}, {count(conditions.protocol.num_threads, 'thread')}, "
                f"{runs_words(conditions.protocol)}, cpu mask {conditions.cpu_mask}",
            )
        )
    first = host.results[0].conditions
    blocks: list[Block] = [
        Table(
            caption=f"Latency on {first.device} (a computer, not a phone), {first.platform}, "
            f"{first.runtime}; {host.path.name}",
            columns=columns("File", "#Median", "#5th to 95th percentile, ms", "#Start-up", "How"),
            rows=tuple(rows),
        )
    ]
    blocks += [Text(text=_sentence(comparison.text)) for comparison in host.comparisons]
    curve = _rounds(host.results, gathered)
    if curve is not None:
        blocks.append(curve)
    blocks += [
        Notice(tone="unsure", text=f"{_role(gathered, result.conditions.model_sha256)}: {text}.")
        for result in host.results
        for text in result.warnings
    ]
    return blocks


def _rounds(results: Sequence[HostBenchResult], gathered: Gathered) -> Curve | None:
    """Medians of the rounds, one line a file, in order of time."""
    shown = [result for result in results if len(result.block_medians_us) > 1]
    if not shown:
        return None
    low, high = ends([0.0, *(each / 1000 for result in shown for each in result.block_medians_us)])
    tones: dict[str, Tone] = {"int8": "good"}
    lines = []
    for result in shown:
        last = len(result.block_medians_us) - 1
        points = " ".join(
            f"{100 * place / last:.5g},{100 - share(each / 1000, low, high):g}"
            for place, each in enumerate(result.block_medians_us)
        )
        role = _role(gathered, result.conditions.model_sha256)
        lines.append(Line(name=role, parts=(points,), tone=tones.get(role, "plain")))
    spreads = "; ".join(
        f"{line.name} {percent(100 * (max(r.block_medians_us) / min(r.block_medians_us) - 1), 1)}"
        for line, r in zip(lines, shown, strict=True)
    )
    return Curve(
        caption="Median of each round or block of runs, in milliseconds, in order of time",
        alt=f"One line a file; the slowest round over the fastest: {spreads}.",
        lines=tuple(lines),
        x_ticks=(Tick(at_percent=0, text="first"), Tick(at_percent=100, text="last")),
        y_ticks=axis(low, high, most=5, from_top=True),
        unit="ms",
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
