"""Reckons what many images on many machines take, for `docs/scale.md`: change a figure here, and run cog."""

from __future__ import annotations

IMAGES = 10_000_000
MACHINES = 100
PRICE_PER_CORE_HOUR = 0.05  # dollars: an assumption, to be replaced by the reader's
CORES = (1, 4, 16)  # of each machine
# Measured, MobileNetV3-Small 1.0 at 224 px, float and int8, by benchmarks/validate_rate.py on two cores.
WORKER_S = 7.97e-3  # processor time an image, at 50,000 images
KEEP_S = 47e-6  # of one process of the machine that asks, while workers work: it takes and keeps results
ALONE_S = 41e-6  # of the same before and after them: 11 for the list of images, 30 for the comparison
CLIENT_BYTES = (
    450  # memory of the process that asks, at the comparison: 190 MB at 200,000 images, 104 MB at 2,000
)
STORE_BYTES = 600
IMAGE_BYTES = 130_000  # a mean photograph of ImageNet
SHARD_IMAGES = 16


def table() -> str:
    """Time and price by the cores of each machine: workers and the command run at the same time."""
    headings = ("cores per machine", "workers alone", "in all", "read rate of all workers", "price")
    lines = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    for each in CORES:
        workers_s = IMAGES * WORKER_S / (MACHINES * each)
        reading_s = max(workers_s, IMAGES * KEEP_S)
        whole_s = reading_s + IMAGES * ALONE_S
        money = MACHINES * each * whole_s / 3600 * PRICE_PER_CORE_HOUR
        cells = (
            f"{each}",
            f"{workers_s / 60:.1f} min",
            f"{whole_s / 60:.1f} min",
            f"{IMAGES * IMAGE_BYTES / reading_s / 1e9:.1f} GB/s",
            f"${money:.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def limits() -> str:
    """What grows with the images, in the order in which the limits are reached."""
    shards = IMAGES // SHARD_IMAGES
    texts = (
        f"**The machine that runs the command**: one process collects and stores {shards:,} shards, "
        f"{1e6 * KEEP_S:.0f} µs an image. From {WORKER_S / KEEP_S:.0f} cores on, workers wait for it. They "
        f"are also idle while it makes the list and the comparison, for {IMAGES * ALONE_S / 60:.0f} minutes.",
        f"**Its memory**: {CLIENT_BYTES:,} bytes an image are {IMAGES * CLIENT_BYTES / 1e9:.0f} GB.",
        f"**The shared folder**: {IMAGES * IMAGE_BYTES / 1e12:.1f} TB are read once. A server of 1 GB/s "
        f"takes {IMAGES * IMAGE_BYTES / 1e9 / 60:.0f} minutes for that.",
        f"**The scheduler**: {shards:,} tasks of one shard would be too many for it. A task has as many "
        f"shards as take two seconds, up to 64: {IMAGES * WORKER_S / 2:,.0f} tasks.",
        f"**The store**: {STORE_BYTES} bytes an image are {IMAGES * STORE_BYTES / 1e9:.0f} GB.",
    )
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))
