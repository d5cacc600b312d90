"""Time and memory of whole processes that quantize: ours, the bare TFLiteConverter script, ai-edge-quantizer.

    python benchmarks/quantize_time.py --variant small --weights W.h5 --calibration photos.csv
    python benchmarks/quantize_time.py --variant small --weights W.h5 --calibration photos.csv \
        --tool stock --tool accurate --images 50 --images 200 --images 500 --images 2000
    python benchmarks/quantize_time.py --variant small --alpha 0.35 --alpha 1 --calibration photos.csv

In every round each tool runs once, in an order that turns from round to round; ratios are taken within a
round, so that what else the machine does meets all of them. On a shared machine the ratio of processor times
is the steadier one. Every process quantizes the same images: those given, and mirrored and shifted copies of
them where more are asked for than there are.

`stock`, `fast` and `accurate` are `edge-mnv3 quantize --no-cache`; `cached` is `accurate` with the float file
in the cache. `ai-edge-quantizer` needs a Python that has it (`--ai-edge-quantizer`), and starts from a float
file. `--workers` is the number of cores that a process may use, on Linux. Read the ratios: the seconds are
this machine's.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.outputs import write_text
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.model.arch import VARIANTS
from edge_mnv3_calibration_data.source_kinds import open_images

TIMEOUT_S = 3600
OURS = ("stock", "fast", "accurate", "cached")
BARE, EDGE = "bare", "ai-edge-quantizer"
EDGE_NEEDS = "import ai_edge_quantizer.quantizer, PIL.Image"
STORED_SIDE_PX = 256
CACHE_VARIABLE = "EDGE_MNV3_CACHE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process took, with its children.

    Attributes:
        wall_s: From its start to its end.
        cpu_s: Processor time of all threads.
        peak_mb: The largest memory of one process.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is quantized, and on how many cores."""

    variant: str
    alpha: float | None
    weights: str
    images: int
    workers: int

    def graph(self) -> list[str]:
        """The options of `edge-mnv3 quantize` for the network."""
        alpha = [] if self.alpha is None else ["--alpha", str(self.alpha)]
        return ["--variant", self.variant, *alpha, "--weights", self.weights]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a tool took under one setting.

    Attributes:
        costs: One of each round.
        wall_ratio: Median over the rounds, to the tool that is compared with.
        cpu_ratio: The same of processor time.
    """

    setting: Setting
    tool: str
    costs: tuple[Cost, ...]
    wall_ratio: float
    cpu_ratio: float


class Bench:
    """Runs tools in a folder that goes away."""

    def __init__(self, folder: Path, photos: Path, edge_python: str | None) -> None:
        self._folder, self._photos, self._edge_python = folder, photos, edge_python

    def prepare(self, setting: Setting) -> None:
        """Writes what the others start from, and warms the file cache; fills our cache."""
        self._run("cached", setting, recipe="stock", out=self._folder / "run")

    def run(self, tool: str, setting: Setting) -> Cost:
        """Runs a tool in a new process."""
        return self._run(
            tool, setting, recipe="accurate" if tool == "cached" else tool, out=self._folder / "out"
        )

    def _run(self, tool: str, setting: Setting, *, recipe: str, out: Path) -> Cost:
        run, int8 = self._folder / "run" / "quantize.json", self._folder / "other.tflite"
        scripts = {
            BARE: (sys.executable, "bare_converter.py"),
            EDGE: (self._edge_python, "ai_edge_quantizer_script.py"),
        }
        if tool in scripts:
            python, script = scripts[tool]
            argv = [str(python), str(Path(__file__).with_name(script)), str(run), str(int8)]
        else:
            argv = [sys.executable, "-m", "edge_mnv3.cli", "quantize", *setting.graph(), "--recipe", recipe]
            argv += [
                "--calibration",
                str(self._photos),
                "--samples",
                str(setting.images),
                "--force",
                "-o",
                str(out),
            ]
            argv += [] if tool == "cached" else ["--no-cache"]
        with cores(setting.workers):
            # Exit code 3: the int8 file fails its checks, which takes no less time.
            return cost(argv, (0, 3) if tool in OURS else (0,), self._folder)


def cost(argv: Sequence[str], allowed: tuple[int, ...], folder: Path) -> Cost:
    """Runs a process to its end.

    Raises:
        ClickException: It ended with another exit code.
    """
    environment = os.environ | {CACHE_VARIABLE: str(folder / "cache")}
    with (folder / "log").open("w+", encoding="utf-8", errors="replace") as log:
        started = time.perf_counter()
        with subprocess.Popen(
            argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
        ) as running:
            late = threading.Timer(TIMEOUT_S, running.kill)
            late.start()
            _, status, used = os.wait4(running.pid, 0)
            wall_s = time.perf_counter() - started
            late.cancel()
            running.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        if running.returncode not in allowed:
            raise click.ClickException(f"{argv[1:5]} ended with {running.returncode}: {log.read()[-800:]}")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, else kilobytes
    return Cost(wall_s=wall_s, cpu_s=used.ru_utime + used.ru_stime, peak_mb=used.ru_maxrss / unit)


@contextmanager
def cores(count: int) -> Iterator[None]:
    """Lets processes that are started in the block use so many cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    if count > len(before):
        raise click.ClickException(f"--workers {count}: this process may use {len(before)} cores")
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def check_edge_python(python: str) -> None:
    """Refuses a Python that cannot run Google's quantizer, before anything is measured.

    Raises:
        ClickException: It does not start, or does not import what the script needs.
    """
    try:
        done = subprocess.run([python, "-c", EDGE_NEEDS], capture_output=True, text=True)
        problem = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except OSError as error:
        problem = error.strerror or str(error)
    else:
        if done.returncode == 0:
            return
    raise click.ClickException(
        f"--ai-edge-quantizer {python}: got '{problem}', expected a Python of an environment of its own with "
        "ai-edge-quantizer and pillow"
    )


def write_photos(location: str, count: int, folder: Path) -> None:
    """Writes so many PNG files: the images, then mirrored and shifted copies of them."""
    from PIL import Image, ImageOps

    wanted = SampleRequest(shape=ImageShape.square(STORED_SIDE_PX), samples=count, preprocess="resize")
    pixels = open_images(location).sample(wanted).pixels
    for index in range(count):
        copy, image = index // len(pixels), Image.fromarray(pixels[index % len(pixels)])
        image = ImageOps.mirror(image) if copy % 2 else image
        margin = 4 * ((copy + 1) // 2)
        if 2 * margin >= STORED_SIDE_PX // 2:
            raise click.ClickException(
                f"--calibration: {len(pixels)} images are too few to make {count} of them"
            )
        image.crop((margin, margin, STORED_SIDE_PX, STORED_SIDE_PX)).save(
            folder / f"{index:05}.png", compress_level=1
        )


def measure(bench: Bench, setting: Setting, tools: Sequence[str], rounds: int, compared: str) -> list[Row]:
    """Runs all tools in turn, round after round."""
    bench.prepare(setting)
    costs: dict[str, list[Cost]] = {tool: [] for tool in tools}
    for number in range(rounds):
        turn = number % len(tools)
        for tool in (*tools[turn:], *tools[:turn]):
            costs[tool].append(bench.run(tool, setting))
            last = costs[tool][-1]
            click.echo(
                f"{setting.variant} {tool}: {last.wall_s:.1f} s, {last.cpu_s:.1f} s of processor", err=True
            )

    def ratio(tool: str, field: str) -> float:
        pairs = zip(costs[tool], costs[compared], strict=True)
        return float(statistics.median(getattr(one, field) / getattr(other, field) for one, other in pairs))

    return [
        Row(
            setting=setting,
            tool=tool,
            costs=tuple(costs[tool]),
            wall_ratio=ratio(tool, "wall_s"),
            cpu_ratio=ratio(tool, "cpu_s"),
        )
        for tool in tools
    ]


def table(rows: Sequence[Row], compared: str) -> str:
    """Writes rows as a Markdown table, with medians."""
    head = ("network", "alpha", "images", "cores", "tool", "wall s", "processor s", "peak MB")
    lines = [" | ".join(("", *head, f"wall of {compared}", f"processor of {compared}", "")).strip()]
    lines.append("|---" * (len(head) + 2) + "|")
    for row in rows:
        setting = row.setting
        medians = [
            statistics.median(getattr(cost, field) for cost in row.costs)
            for field in ("wall_s", "cpu_s", "peak_mb")
        ]
        alpha = "own" if setting.alpha is None else f"{setting.alpha:g}"
        cells = (setting.variant, alpha, str(setting.images), str(setting.workers), row.tool)
        figures = (f"{medians[0]:.1f}", f"{medians[1]:.1f}", f"{medians[2]:.0f}")
        ratios = (f"{row.wall_ratio:.2f}", f"{row.cpu_ratio:.2f}")
        lines.append(" | ".join(("", *cells, *figures, *ratios, "")).strip())
    return "\n".join(lines)


def settings(options: dict[str, Sequence[str]]) -> list[Setting]:
    """All combinations of what was asked for; weights are given as PATH, or as VARIANT=PATH."""
    weights = {}
    for each in options["weights"]:
        name, _, path = each.partition("=")
        weights.update({name: path} if name in VARIANTS and path else {"": each})
    alphas: Sequence[float | None] = [float(alpha) for alpha in options["alpha"]] or [None]
    return [
        Setting(
            variant=variant,
            alpha=alpha,
            weights=weights.get(variant) or weights.get("") or "none",
            images=int(images),
            workers=int(workers),
        )
        for variant in options["variant"]
        for alpha in alphas
        for images in options["images"]
        for workers in options["workers"]
    ]


@click.command()
@click.option(
    "--variant", multiple=True, type=click.Choice(tuple(VARIANTS)), default=("small",), show_default=True
)
@click.option("--alpha", multiple=True, type=float, help="Widths to compare.  [default: the variant's own]")
@click.option("--weights", multiple=True, help="PATH or VARIANT=PATH.  [default: random ones]")
@click.option("--images", multiple=True, type=click.IntRange(1), default=(200,), show_default=True)
@click.option("--workers", multiple=True, type=click.IntRange(1), help="Cores.  [default: all]")
@click.option(
    "--tool",
    "tools",
    multiple=True,
    type=click.Choice((*OURS, BARE, EDGE)),
    default=("stock", "fast", "accurate", BARE),
)
@click.option(
    "--compared", type=click.Choice((*OURS, BARE, EDGE)), help="Tool of the ratios.  [default: the last]"
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--calibration", required=True, help="Images: a location as `edge-mnv3 quantize` takes it.")
@click.option("--ai-edge-quantizer", "edge_python", help="Python in which ai-edge-quantizer is installed.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all rounds here too.")
def main(
    tools: tuple[str, ...],
    compared: str | None,
    rounds: int,
    calibration: str,
    edge_python: str | None,
    json_path: Path | None,
    **options: tuple[str, ...],
) -> None:
    """Prints a table, a row a setting and tool."""
    if edge_python and EDGE not in tools:
        tools = (*tools, EDGE)
    if EDGE in tools and not edge_python:
        raise click.UsageError("--tool ai-edge-quantizer needs --ai-edge-quantizer PYTHON")
    if edge_python:
        check_edge_python(edge_python)
    compared = compared or (BARE if BARE in tools else tools[-1])
    if compared not in tools:
        raise click.UsageError(f"--compared {compared} is none of the tools: {', '.join(tools)}")
    options["workers"] = options["workers"] or (str(available_cores()),)
    wanted = settings(dict(options))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = folder / "photos"
        photos.mkdir()
        write_photos(calibration, max(setting.images for setting in wanted), photos)
        for setting in wanted:
            rows += measure(Bench(folder, photos, edge_python), setting, tools, rounds, compared)
            if json_path:
                result = {"compared": compared, "rows": [dataclasses.asdict(row) for row in rows]}
                write_text(json_path, json.dumps(result, indent=2) + "\n", force=True)
    click.echo(table(rows, compared))


if __name__ == "__main__":
    main()
