"""The rate of `edge-mnv3 validate` on all cores against one thread's own rate of decoding and inference.

    python benchmarks/validate_rate.py --float F.tflite --int8 Q.tflite --data val.csv
    python benchmarks/validate_rate.py ... --images 1000 --images 10000 --images 50000

One thread's rate: a plain loop over some of the images that decodes, preprocesses and runs both files, alone
on the machine, before and after `validate`. Three shares are printed. 100 % is a plain loop on every core; a
worker may take less time than the plain loop, since it runs each file over some images before the next file:

- by the clock: the images a second, of so many times one thread's as there are workers;
- by processor time: the images a second of processor time over all processes, of one thread's, which other
  programs on the machine disturb less;
- of plain loops at once: the images a second, of those of as many plain loops at once, a process each, which
  is what the cores can give where they share parts of the processor, or are shared with other programs.

All is kept in a store of its own, from which `validate` is then repeated. With --images the images are
repeated up to that number, in files of their own whose last bytes differ, so that none is known. Peak memory
is that of all processes together, memory that they share counted once.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click

from edge_mnv3.core.choices import DEFAULT_PREPROCESS, Kernels
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.runtime import open_model
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.validation.running import image_shape

_LOOK_S = 1.0  # a look takes milliseconds of a core


class Spent(NamedTuple):
    """What so many images took."""

    images: int
    wall_s: float
    cpu_s: float


def cpu_s() -> float:
    """Processor time of this process and of those that it has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def single_thread(images: ImageSource, paths: tuple[Path, Path], kernels: Kernels, count: int) -> Spent:
    """A plain loop: decode, preprocess, run both files."""
    models = [open_model(path, kernels=kernels) for path in paths]
    shape = image_shape(paths[0], models[0])
    wall, cpu = time.perf_counter(), cpu_s()
    for index in range(count):
        pixels = images.load(index % (images.available or 1), shape=shape, preprocess=DEFAULT_PREPROCESS)
        for model in models:
            model.run_all(pixels)
    return Spent(count, time.perf_counter() - wall, cpu_s() - cpu)


def at_once(
    images: ImageSource, paths: tuple[Path, Path], kernels: Kernels, count: int, workers: int
) -> tuple[float, float]:
    """Images a second of so many plain loops at once, a process each, and processor time an image."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        loops = [pool.submit(single_thread, images, paths, kernels, count) for _ in range(workers)]
        spent = [loop.result() for loop in loops]
    rate = sum(each.images / each.wall_s for each in spent)
    return rate, sum(each.cpu_s for each in spent) / sum(each.images for each in spent)


class Memory(threading.Thread):
    """Watches the memory of this process and its children, in kilobytes that no other process shares."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_kb, self._ended = 0, threading.Event()

    def run(self) -> None:
        """Looks until `end` is called."""
        while not self._ended.wait(_LOOK_S):
            self.peak_kb = max(self.peak_kb, _proportional_kb())

    def end(self) -> int:
        """Returns the largest sum."""
        self._ended.set()
        self.join()
        return self.peak_kb


def _proportional_kb() -> int:
    """Proportional set size of this process and its descendants; 0 where the system does not tell."""
    total, waiting = 0, [Path("/proc/self").resolve()] if Path("/proc/self").exists() else []
    while waiting:
        process = waiting.pop()
        try:
            for line in (process / "smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("Pss:") else 0
            for children in process.glob("task/*/children"):
                waiting += (Path("/proc") / child for child in children.read_text().split())
        except OSError:  # it has ended
            continue
    return total


def repeated(data: Path, count: int, folder: Path) -> Path:
    """Writes so many copies of a CSV's images, with a number after the image in each, and a CSV of them."""
    images = open_images(data, need_labels=True)
    root = (images.root or data.parent).resolve()
    rows = ["file,label"]
    for number in range(count):
        index = number % (images.available or 1)
        copy = folder / f"{number // 1000:03}" / f"{number:07}{Path(images.name(index)).suffix}"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((root / images.name(index)).read_bytes() + f"{number:08}".encode())
        rows.append(f"{copy.relative_to(folder).as_posix()},{images.label(index)}")
    table = folder / "images.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return table


class Row(NamedTuple):
    """What one number of images took.

    Attributes:
        whole: `validate`.
        alone: The plain loop, alone.
        together: The plain loops at once: images a second, and seconds of processor time an image.
        again: The repeat from the store.
        peak_kb: Largest sum of the memory of all processes.
    """

    whole: Spent
    alone: Spent
    together: tuple[float, float]
    again: Spent
    peak_kb: int

    def text(self, workers: int) -> str:
        """A row of the table."""
        rate, rate_alone = (each.images / each.wall_s for each in (self.whole, self.alone))
        cpu_ms, cpu_alone_ms = (1000 * each.cpu_s / each.images for each in (self.whole, self.alone))
        cells = (
            f"{self.whole.images:,}",
            f"{rate:.1f}",
            f"{rate_alone:.1f}",
            f"{100 * rate / workers / rate_alone:.1f} %",
            f"{cpu_ms:.2f} ms",
            f"{cpu_alone_ms:.2f} ms",
            f"{100 * cpu_alone_ms / cpu_ms:.1f} %",
            f"{self.together[0]:.1f} at {1000 * self.together[1]:.2f} ms",
            f"{100 * rate / self.together[0]:.1f} %",
            f"{self.again.wall_s:.1f} s, {self.again.cpu_s:.1f} s",
            f"{self.peak_kb / 1000:.0f} MB",
        )
        return f"| {' | '.join(cells)} |"


HEADINGS = (
    *("images", "images/s", "one thread's", "by the clock", "processor time an image", "one thread's"),
    *("by processor time", "plain loops at once, images/s", "of these", "again: clock, processor", "memory"),
)


def measured(request: ValidateRequest, images: ImageSource, kernels: Kernels, single: int) -> Row:
    """Runs `validate` twice, and plain loops before and after it."""
    paths, workers = (Path(request.float_path), Path(request.int8_path)), request.workers or 1
    before = single_thread(images, paths, kernels, single)
    memory, cpu, wall = Memory(), cpu_s(), time.perf_counter()
    memory.start()
    result = validate(request)
    whole = Spent(result.n, time.perf_counter() - wall, cpu_s() - cpu)
    peak_kb = memory.end()
    cpu, wall = cpu_s(), time.perf_counter()
    if validate(request) != result:
        raise SystemExit("another result from the store")
    again = Spent(result.n, time.perf_counter() - wall, cpu_s() - cpu)
    after = single_thread(images, paths, kernels, single)
    together = at_once(images, paths, kernels, single, workers)
    alone = Spent(2 * single, before.wall_s + after.wall_s, before.cpu_s + after.cpu_s)
    return Row(whole, alone, together, again, peak_kb)


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--int8", "int8_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--images", "counts", type=int, multiple=True, help="Repeat the images up to this number; repeatable."
)
@click.option("--kernels", type=click.Choice(("xnnpack", "builtin")), default="xnnpack", show_default=True)
@click.option("--workers", type=int, help="Processes.  [default: one a core]")
@click.option("--single", default=300, show_default=True, help="Images of each plain loop.")
def main(data: Path, counts: tuple[int, ...], workers: int | None, single: int, **files: Any) -> None:
    """Prints the share of (cores x one thread's rate) that `validate` reaches, a row a number of images."""
    workers, kernels = workers or available_cores(), files.pop("kernels")
    click.echo(f"{workers} workers, {available_cores()} cores\n")
    click.echo(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    for count in counts or (None,):
        with tempfile.TemporaryDirectory() as folder:
            table = data if count is None else repeated(data, count, Path(folder))
            request = ValidateRequest(
                **files, data=table, kernels=kernels, workers=workers, store=Path(folder) / "store"
            )
            row = measured(request, open_images(table, need_labels=True), kernels, single)
        click.echo(row.text(workers))


if __name__ == "__main__":
    main()
