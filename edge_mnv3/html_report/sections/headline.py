"""The head of the page: what the pair is, its figures, and the verdict."""

from __future__ import annotations

from edge_mnv3.core.counts import count
from edge_mnv3.core.results.cost import ProcessorCost
from edge_mnv3.core.results.device import EMULATED_DEVICE
from edge_mnv3.html_report.blocks import Block, Facts, Notice, Section, Tile, Tiles
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.sections.gates import summary
from edge_mnv3.html_report.sections.scores import Score, scores_of, statistics_of
from edge_mnv3.html_report.sections.verdict import verdict
from edge_mnv3.html_report.words import (
    between,
    megabytes,
    milliseconds,
    percent,
    plain,
    signed,
    signed_between,
)

NOT_MEASURED = "not measured"


def headline(gathered: Gathered) -> Section:
    """The verdict, the figures, and what the user must know."""
    blocks: list[Block] = [verdict(gathered), Tiles(tiles=_tiles(gathered))]
    blocks += [Notice(tone="unsure", text=f"{each.path.name}: {each.reason}.") for each in gathered.left_out]
    blocks += [Notice(tone="unsure", text=_sentence(text)) for text in _warnings(gathered)]
    blocks.append(Facts(rows=_facts(gathered)))
    return Section(key="summary", title="Summary", blocks=tuple(blocks))


def _sentence(text: str) -> str:
    begun = text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def _warnings(gathered: Gathered) -> tuple[str, ...]:
    """What any command warned of, each once."""
    found: dict[str, None] = {}
    for result in (gathered.quantize, *gathered.validations, *gathered.diagnoses):
        found.update(dict.fromkeys(() if result is None else result.warnings))
    return tuple(found)


def _tiles(gathered: Gathered) -> tuple[Tile, ...]:
    result = gathered.validation
    scores = scores_of(result) if result else ()
    several = result is not None and len(result.outputs) > 1
    accuracy = (
        _accuracy(scores[0], several=several)
        if scores
        else (Tile(label="Accuracy", value="", detail=NOT_MEASURED),)
    )
    return (*accuracy, _agreement(gathered), _size(gathered), _speed(gathered))


def _accuracy(score: Score, *, several: bool) -> tuple[Tile, ...]:
    of = f" of {score.output}" if several else ""

    def tile(name: str, value: float, interval: tuple[float, float] | None) -> Tile:
        detail = "" if interval is None else f"95\N{NO-BREAK SPACE}% interval {between(*interval, digits=1)}"
        return Tile(label=f"{name} {score.name}{of}", value=percent(value, 1), detail=detail)

    interval = score.ci95_points
    return (
        tile("Float", score.float_percent, score.float_ci95),
        tile("int8", score.int8_percent, score.int8_ci95),
        Tile(
            label=f"Difference{of}",
            value=f"{signed(score.points)} points",
            detail="" if interval is None else f"95\N{NO-BREAK SPACE}% interval {signed_between(*interval)}",
        ),
    )


def _agreement(gathered: Gathered) -> Tile:
    result = gathered.validation
    if result is None or result.agreement_percent is None:
        return Tile(label="Same answer", value="", detail=NOT_MEASURED)
    # The share is that of the first output of classes.
    classes = next((each.output.name for each in result.outputs if each.output.task == "classes"), None)
    statistics = None if classes is None else statistics_of(result, classes)
    interval = (
        f"95\N{NO-BREAK SPACE}% interval {between(*statistics.agreement.ci95_percent, digits=1)}"
        if statistics
        else f"of {count(result.n, 'image')}"
    )
    return Tile(label="Same answer", value=percent(result.agreement_percent, 1), detail=interval)


def _size(gathered: Gathered) -> Tile:
    made = gathered.quantize
    if made is not None:
        ratio = made.int8_size_bytes / made.float_size_bytes
        return Tile(
            label="int8 file",
            value=megabytes(made.int8_size_bytes),
            detail=f"{plain(100 * ratio, 0)} % of the float file's {megabytes(made.float_size_bytes)}",
        )
    for inspected in gathered.inspections:
        if gathered.subject.role(inspected.sha256) == "int8":
            return Tile(label="int8 file", value=megabytes(inspected.size_bytes), detail="")
    if gathered.int8_size_bytes is not None:
        return Tile(label="int8 file", value=megabytes(gathered.int8_size_bytes), detail="")
    return Tile(label="int8 file", value="", detail="size not told")


def _speed(gathered: Gathered) -> Tile:
    """Latency on a phone, else cycles modelled for a phone, else latency on a computer, else instructions."""
    for devices in gathered.devices:
        for result in devices.report.results:
            is_int8 = gathered.subject.role(result.conditions.model_sha256) == "int8"
            device = result.conditions.device
            if is_int8 and result.median_us is not None and not device.emulated:
                return Tile(
                    label="int8 latency",
                    value=milliseconds(result.median_us),
                    detail=f"{device.manufacturer} {device.model}, {result.conditions.accelerator}",
                )
    return _cycles(gathered) or _speed_of_host(gathered) or _cost(gathered)


def _cycles(gathered: Gathered) -> Tile | None:
    """Cycles of the first processor, beside those of the float file."""
    for costs in gathered.costs:
        found = {gathered.subject.role(file.sha256): file.cpus[0] for file in costs.files}
        words = {role: _between_cycles(cpu) for role, cpu in found.items()}
        if words.get("int8"):
            beside = f"float {words['float']}; " if words.get("float") else ""
            return Tile(
                label="int8 cost, modelled",
                value=f"{words['int8']} cycles",
                detail=f"{beside}on a phone's processor ({found['int8'].cpu}); not a time",
            )
    return None


def _between_cycles(cpu: ProcessorCost) -> str:
    low, high = cpu.cycles.low, cpu.cycles.high
    if low is None or high is None:
        return ""
    return f"{plain(low / 1e6, 1)} to {plain(high / 1e6, 1)} M"


def _speed_of_host(gathered: Gathered) -> Tile | None:
    for host in gathered.host:
        found = {gathered.subject.role(result.conditions.model_sha256): result for result in host.results}
        if "int8" in found:
            unstable = "unstable; " if any(found[file].warnings for file in found) else ""
            beside = f"float {milliseconds(found['float'].median_us)}; " if "float" in found else ""
            return Tile(
                label="int8 latency",
                value=milliseconds(found["int8"].median_us),
                detail=f"{unstable}{beside}on {found['int8'].conditions.device}, not a phone",
            )
    return None


def _cost(gathered: Gathered) -> Tile:
    for costs in gathered.costs:
        for file in costs.files:
            if gathered.subject.role(file.sha256) == "int8":
                cpu = file.cpus[0]
                return Tile(
                    label="int8 cost, counted",
                    value=f"{plain(cpu.instructions.total / 1e6)} M instructions",
                    detail=f"counted for {cpu.cpu}; not a time",
                )
    return Tile(label="Latency", value="", detail=NOT_MEASURED)


def _facts(gathered: Gathered) -> tuple[tuple[str, str], ...]:
    made, result = gathered.quantize, gathered.validation
    rows = [
        ("Float file", gathered.subject.float_path),
        ("int8 file", gathered.subject.int8_path),
    ]
    if made is not None:
        if made.variant is not None:
            network = made.variant
            rows.append(
                (
                    "Network",
                    f"MobileNetV3 {network.name}, {network.parameters / 1e6:.2f} M weights, "
                    f"{network.multiply_adds / 1e6:.1f} M multiply-adds",
                )
            )
        if made.source is not None:
            rows.append(("Made of", f"{made.source.path} ({made.source.format})"))
        image = made.model.input
        rows.append(
            ("Input", f"{image.height_px} × {image.width_px}, {'RGB' if image.channels == 3 else 'grey'}")
        )
        rows.append(("Output", "; ".join(output.words for output in made.model.outputs)))
        rows.append(("Recipe", f"{made.recipe}, hard-swish {made.hard_swish}, {made.io} in and out"))
        rows.append(
            ("Calibrated on", f"{count(len(made.calibration.images), 'image')} ({made.calibration.kind})")
        )
    if gathered.run is not None and gathered.run.gates:
        rows.append(("Gates of the run", summary(gathered.run)))
    if result is not None:
        rows.append(("Compared on", f"{count(result.n, 'image')} of {result.data} ({result.preprocess})"))
        rows.append(("Runtime", f"{result.runtime}, {result.int8.kernels} kernels"))
    emulated = [
        one.conditions.device.model
        for devices in gathered.devices
        for one in devices.report.results
        if one.conditions.device.emulated
    ]
    if emulated:
        rows.append(("Devices", f"{emulated[0]}: {EMULATED_DEVICE}; its figures are not in the summary"))
    return tuple(rows)
