"""What the files hold, what the delegate takes of them, and where the time of an inference goes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from edge_mnv3.core.counts import count, listed
from edge_mnv3.core.results.models import InspectResult, KernelCheck, ModelChecks
from edge_mnv3.core.results.profile import DeviceProfileResult
from edge_mnv3.html_report.blocks import (
    Bar,
    Block,
    Facts,
    Notice,
    Section,
    Table,
    Text,
    absent,
    columns,
    number,
    row,
)
from edge_mnv3.html_report.gathered import FileCosts, Gathered
from edge_mnv3.html_report.words import NONE, percent, plain, share

KEY, TITLE = "operators", "Operators, partitions, profile"
MOST_ROWS = 15


def operators(gathered: Gathered) -> Section:
    """Checks and partitions of the int8 file, operators by type, what was counted and profiled."""
    blocks: list[Block] = []
    inspected = {gathered.subject.role(each.sha256): each for each in gathered.inspections}
    checks = gathered.quantize.checks if gathered.quantize else None
    if "int8" in inspected:
        blocks += _inspected(inspected["int8"])
    elif checks is not None:
        blocks.append(_checked(checks))
    inspect = f"edge-mnv3 inspect {shlex.quote(gathered.subject.int8_path)} --json > inspect.json"
    if not blocks and not gathered.costs:
        return absent(KEY, TITLE, "What the int8 file holds was not looked at.", inspect)
    if "int8" not in inspected:
        blocks.append(Notice(tone="plain", text="Its operators were not listed.", command=inspect))
    for costs in gathered.costs:
        blocks += _counted(costs, gathered)
    profiles = [profile for devices in gathered.devices for profile in devices.report.profiles]
    for profile in profiles:
        blocks.append(_profile(profile, gathered))
    if not profiles:
        file = shlex.quote(gathered.subject.int8_path)
        command = f"edge-mnv3 bench {file} --device SERIAL --profile -o profile.json"
        text = "No device's profile of its operators was measured."
        blocks.append(Notice(tone="plain", text=text, command=command))
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _inspected(result: InspectResult) -> list[Block]:
    most = max(result.ops.values(), default=1)
    rows = tuple(
        row(name, number(times, str(times), bar=Bar(start_percent=0, end_percent=share(times, 0, most))))
        for name, times in sorted(result.ops.items(), key=lambda item: (-item[1], item[0]))
    )
    facts = [
        ("Full integer", _yes(result.full_integer, result.float_tensors)),
        ("Fixed shapes", _yes(result.fixed_shapes, result.dynamic_tensors)),
        ("XNNPACK", kernels_words(result.xnnpack)),
        ("Built-in kernels", kernels_words(result.builtin)),
    ]
    if result.needs is not None:
        facts += [
            ("Needs", result.needs.least_words),
            ("TensorFlow Lite Micro", result.needs.micro_words),
        ]
    total = count(sum(result.ops.values()), "operator")
    table = Table(
        caption=f"The int8 file's {total} by type", columns=columns("Operator", "#Number"), rows=rows
    )
    return [Facts(rows=tuple(facts)), table]


def _checked(checks: ModelChecks) -> Facts:
    return Facts(
        rows=(
            ("Full integer", _yes(checks.full_integer, checks.float_tensors)),
            ("Fixed shapes", _yes(checks.fixed_shapes, checks.dynamic_tensors)),
            ("XNNPACK", kernels_words(checks.xnnpack)),
            ("Built-in kernels", kernels_words(checks.builtin)),
            ("Checks", "passed" if checks.passed else f"failed: {'; '.join(checks.problems)}"),
        )
    )


def _yes(holds: bool, exceptions: tuple[str, ...]) -> str:
    return "yes" if holds else f"no: {listed(exceptions[:5])}"


def kernels_words(check: KernelCheck) -> str:
    """Whether a file loads under one kind of kernels, and what it is cut into."""
    if not check.loads:
        return f"does not load: {check.problem}"
    if not check.partitions:
        return "loads"
    left = ", ".join(f"{times} {name}" for name, times in check.undelegated_ops.items())
    rest = f"; left to the built-in kernels: {left}" if left else ""
    return f"loads, {count(check.partitions, 'partition')}{rest}"


def _counted(costs: FileCosts, gathered: Gathered) -> list[Block]:
    """What was counted on emulated Arm processors; never a time."""
    rows = []
    for file in costs.files:
        for cpu in file.cpus:
            low, high = cpu.cycles.low, cpu.cycles.high
            cycles = NONE if low is None or high is None else f"{plain(low / 1e6)} to {plain(high / 1e6)}"
            rows.append(
                row(
                    gathered.subject.role(file.sha256) or "",
                    cpu.cpu,
                    cpu.kernels,
                    number(cpu.instructions.total, plain(cpu.instructions.total / 1e6)),
                    number(low, cycles),
                )
            )
    titles = ("File", "Processor", "Kernels", "#Instructions, millions", "#Modelled cycles, millions")
    blocks: list[Block] = [
        Table(
            caption=f"Cost of one inference, counted by {costs.result.emulator} with {costs.result.runtime}. "
            "These are counts, not times",
            columns=columns(*titles),
            rows=tuple(rows),
        )
    ]
    for file in costs.files:
        if gathered.subject.role(file.sha256) == "int8" and file.cpus[0].operators:
            cpu = file.cpus[0]
            by_name: dict[str, int] = {}
            for operator in cpu.operators:
                by_name[operator.name] = by_name.get(operator.name, 0) + operator.instructions.total
            caption = f"Instructions of the int8 file by operator, {cpu.cpu}, in millions"
            blocks.append(_shares(caption, {name: each / 1e6 for name, each in by_name.items()}))
    return blocks


def _shares(caption: str, values: Mapping[str, float]) -> Table:
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    most, total = ordered[0][1] or 1.0, sum(values.values()) or 1.0
    rows = tuple(
        row(
            name,
            number(value, plain(value, 2), bar=Bar(start_percent=0, end_percent=share(value, 0, most))),
            number(value / total, percent(100 * value / total, 1)),
        )
        for name, value in ordered
    )
    return Table(caption=caption, columns=columns("Operator", "#Millions", "#Share"), rows=rows)


def _profile(profile: DeviceProfileResult, gathered: Gathered) -> Block:
    conditions = profile.conditions
    which = gathered.subject.role(conditions.model_sha256) or ""
    device = f"{conditions.device.manufacturer} {conditions.device.model}"
    if conditions.device.emulated:
        return Text(
            text=f"The profile of the {which} file is of an emulated device ({device}): it is not shown."
        )
    by_type = profile.profile.by_type
    most = max((each.time_us for each in by_type), default=1.0) or 1.0
    rows = tuple(
        row(
            each.op_type,
            number(each.count, str(each.count)),
            number(
                each.time_us,
                plain(each.time_us / 1000, 3),
                bar=Bar(start_percent=0, end_percent=share(each.time_us, 0, most)),
            ),
            number(each.share_percent, percent(each.share_percent, 1)),
        )
        for each in by_type[:MOST_ROWS]
    )
    caption = f"Profile of the {which} file on {device}, {count(profile.profile.runs, 'run')}. Profiling "
    caption += "takes time itself: the sum is no latency"
    titles = ("Operator", "#Number", "#ms an inference", "#Share")
    return Table(caption=caption, columns=columns(*titles), rows=rows)
