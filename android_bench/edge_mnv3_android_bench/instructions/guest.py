"""Runs in the emulated process: one warm inference between two marks, and what must be known of the process.

It is run as a script and imports nothing but the runtime, because the emulator is slow while it writes a log.
The inputs are filled with the numbers 0 to 255 over and over. Without a model it tells where the runtime's
libraries lie, which the log is then narrowed to.

    guest.py [MODEL xnnpack|builtin FIRST_MARK SECOND_MARK]
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as runtime


def main() -> None:
    """Prints one line of JSON."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:  # noqa: PTH123 - pathlib takes long to import here
        told: dict[str, Any] = {"libraries": _libraries(), "processor": cpuinfo.read()}
    if len(sys.argv) > 1:
        model, kernels, begin, end = sys.argv[1:]
        told |= _run(model, kernels, int(begin), int(end))
    sys.stdout.write(json.dumps(told) + "\n")


def _run(path: str, kernels: str, begin: int, end: int) -> dict[str, Any]:
    options = {}
    if kernels == "builtin":
        options["experimental_op_resolver_type"] = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        model = runtime.Interpreter(model_path=path, num_threads=1, **options)
        model.allocate_tensors()
        for details in model.get_input_details():
            numbers = np.resize(np.arange(256, dtype=np.uint8), details["shape"])
            is_int8 = details["dtype"] == np.int8
            model.set_tensor(
                details["index"], numbers.view(np.int8) if is_int8 else numbers.astype(details["dtype"])
            )
        model.invoke()
    except (RuntimeError, ValueError) as error:
        return {"problem": " ".join(str(error).split())}
    _mark(begin)
    model.invoke()
    _mark(end)
    delegates = [each for each in model._get_ops_details() if each["op_name"] == "DELEGATE"]
    return {
        "partitions": [[list(map(int, each[side])) for side in ("inputs", "outputs")] for each in delegates]
    }


def _mark(number: int) -> None:
    """A system call that changes nothing and stands in the log."""
    try:  # noqa: SIM105 - nothing more is imported
        os.close(number)
    except OSError:
        pass


def _libraries() -> dict[str, int]:
    """Returns the runtime's libraries that this process has loaded, with the lowest address of each."""
    folder = os.path.dirname(str(runtime.__file__))  # noqa: PTH120
    lowest: dict[str, int] = {}
    with open("/proc/self/maps", encoding="utf-8") as maps:  # noqa: PTH123
        for line in maps:
            addresses, *_, name = line.split(maxsplit=5)
            name = name.strip()
            if name.startswith(folder) and ".so" in name:
                start = int(addresses.partition("-")[0], 16)
                lowest[name] = min(start, lowest.get(name, start))
    return lowest


if __name__ == "__main__":
    main()
