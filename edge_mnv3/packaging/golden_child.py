"""Runs golden images in a child process, such as one under an emulator.

Images come from a NumPy file, outputs go to another.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

import numpy as np

from edge_mnv3.core.choices import KERNELS
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.runtime import open_model


def main() -> None:
    """Runs a model on images, (n, rows, columns, channels) uint8; prints the runtime and the processor."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("outputs", type=Path)
    parser.add_argument("--kernels", choices=KERNELS, required=True)
    parser.add_argument("--mean", type=float, nargs="+", required=True)
    parser.add_argument("--std", type=float, nargs="+", required=True)
    arguments = parser.parse_args()
    taken = InputRange(tuple(arguments.mean), tuple(arguments.std))
    model = open_model(arguments.model, kernels=arguments.kernels, input_range=taken)
    answers = [model.run_all(image) for image in np.load(arguments.images)]
    # An array for each output, in the file's order.
    np.savez(
        arguments.outputs,
        *[np.stack([each.reshape(-1) for each in one]) for one in zip(*answers, strict=True)],
    )
    sys.stdout.write(f"{model.runtime} on {platform.machine()}\n")


if __name__ == "__main__":
    main()
