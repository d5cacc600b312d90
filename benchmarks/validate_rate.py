"""The rate of `edge-mnv3 validate` on all cores against one thread's own rate of decoding and inference.

    python benchmarks/validate_rate.py --float F.tflite --int8 Q.tflite --data val.csv --images 5000

One thread's rate: a plain loop over some of the images that decodes, preprocesses and runs both files. It
runs before and after `validate`. Two shares are printed, of which 100 % would be no overhead at all: that of
the rate by the clock, and that of the images a second of processor time, over all processes, which other
programs on the machine disturb less. Cores that share parts of the processor, or with other programs, give
less than so many times one thread's rate: so many plain loops at once, right afterwards, show it. All is
kept in a store, from which `validate` is then repeated. With --images the images are repeated, in files of
their own whose last bytes differ, so that none is known. Peak memory is that of all processes together,
memory that they share counted once.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click

from edge_mnv3.core.choices import DEFAULT_PREPROCESS, Kernels
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.runtime import open_model
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.validation.running import image_shape

_LOOK_S = 0.2


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
) -> float:
    """Images a second of so many plain loops at once, a process each: what the cores can give."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        loops = [pool.submit(single_thread, images, paths, kernels, count) for _ in range(workers)]
        return sum(count / loop.result().wall_s for loop in loops)


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


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--int8", "int8_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--images", "count", type=int, help="Repeat the images up to this number.")
@click.option("--kernels", type=click.Choice(("xnnpack", "builtin")), default="xnnpack", show_default=True)
@click.option("--workers", type=int, help="Processes.  [default: one a core]")
@click.option("--single", default=300, show_default=True, help="Images of each single-threaded loop.")
def main(
    float_path: Path, int8_path: Path, data: Path, count: int | None, kernels: Kernels, **counts: int | None
) -> None:
    """Prints the share of (cores x one thread's rate) that `validate` reaches."""
    workers, single = counts["workers"] or available_cores(), counts["single"] or 1
    with tempfile.TemporaryDirectory() as folder:
        table = data if count is None else repeated(data, count, Path(folder))
        images, paths = open_images(table, need_labels=True), (float_path, int8_path)
        before = single_thread(images, paths, kernels, single)
        memory, cpu, wall = Memory(), cpu_s(), time.perf_counter()
        memory.start()
        request = ValidateRequest(
            float_path=float_path,
            int8_path=int8_path,
            data=table,
            kernels=kernels,
            workers=workers,
            store=Path(folder) / "store",
        )
        result = validate(request)
        whole = Spent(result.n, time.perf_counter() - wall, cpu_s() - cpu)
        peak_kb = memory.end()
        again_s = time.perf_counter()
        validate(request)
        again_s = time.perf_counter() - again_s
        after = single_thread(images, paths, kernels, single)
        together = at_once(images, paths, kernels, single, workers)
    alone = Spent(2 * single, before.wall_s + after.wall_s, before.cpu_s + after.cpu_s)
    by_clock = (whole.images / whole.wall_s) / (workers * alone.images / alone.wall_s)
    by_cpu = (whole.images / whole.cpu_s) / (alone.images / alone.cpu_s)
    for name, spent in (("one thread", alone), (f"{workers} workers, all else included", whole)):
        click.echo(
            f"{name}: {spent.images / spent.wall_s:.1f} images/s, "
            f"{1000 * spent.cpu_s / spent.images:.2f} ms of processor time an image"
        )
    click.echo(
        f"{whole.images} images: {100 * by_clock:.1f} % by the clock, {100 * by_cpu:.1f} % by processor time"
    )
    click.echo(
        f"{workers} plain loops at once: {together:.1f} images/s, of which validate reaches "
        f"{100 * whole.images / whole.wall_s / together:.1f} %"
    )
    click.echo(f"again, from the store: {again_s:.1f} s")
    click.echo(f"peak memory of all processes {peak_kb / 1000:.0f} MB")


if __name__ == "__main__":
    main()
