"""Programs of the phone that are more than a line of shell: taskset, pidof, pkill, pgrep, ps, df.

Run as `python -I -S -c "...main()" NAME ARGUMENTS`, so that one call costs as little as a program on a phone.
"""

from __future__ import annotations

import os
import signal
import sys

from device import phone_processes as processes

_FULL_MASK_FAULT = "taskset_ignored"


def main() -> None:
    """Runs the program named by the first argument."""
    name, arguments = sys.argv[1], sys.argv[2:]
    sys.exit(_PROGRAMS[name](arguments))


def _root() -> str:
    return os.environ[processes.ROOT]


def _cores() -> int:
    return int(os.environ[processes.CORES])


def _complain(text: str, code: int = 1) -> int:
    sys.stderr.write(text + "\n")
    return code


def _everyone() -> list[int]:
    return [pid for pid in processes.marked_pids(os.environ[processes.MARK]) if pid != os.getpid()]


def _taskset(arguments: list[str]) -> int:
    """`taskset MASK COMMAND...`, `taskset -p PID`, `taskset -p MASK PID`; masks in hexadecimal."""
    full = (1 << _cores()) - 1
    of_process = False
    while arguments and arguments[0] in ("-a", "-p", "-ap", "-pa"):
        of_process = of_process or "p" in arguments.pop(0)
    if of_process and len(arguments) == 1:
        return _tell_mask(arguments[0], full)
    if len(arguments) < 2:
        return _complain("taskset: Needs 2 arguments")
    try:
        asked = int(arguments[0], 16)
    except ValueError:
        return _complain(f"taskset: bad mask '{arguments[0]}'")
    mask = asked & full
    if not mask:
        return _complain("taskset: failed to set pid 0's affinity: Invalid argument")
    if os.path.exists(f"{os.environ[processes.STATE]}/{_FULL_MASK_FAULT}"):
        mask = full
    if of_process:
        pid = int(arguments[1])
        if pid not in _everyone():
            return _complain(f"taskset: failed to set pid {pid}'s affinity: No such process")
        processes.show_process(_root(), pid, processes.command_line(_root(), pid), mask, _cores())
        return 0
    return _run_on(mask, arguments[1:])


def _tell_mask(pid: str, full: int) -> int:
    if int(pid) not in _everyone():
        return _complain(f"taskset: failed to get pid {pid}'s affinity: No such process")
    mask = processes.shown_mask(_root(), int(pid)) or full
    sys.stdout.write(f"pid {pid}'s current affinity mask: {mask:x}\n")
    return 0


def _run_on(mask: int, command: list[str]) -> int:
    os.environ[processes.MASK] = f"{mask:x}"
    processes.show_process(_root(), os.getpid(), command, mask, _cores())
    # Python ignores SIGPIPE, and a program would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        return _complain(f"taskset: exec {command[0]}: {error.strerror}", code)


def _name(pid: int) -> str:
    words = processes.command_line(_root(), pid)
    return words[0].rpartition("/")[2] if words else ""


def _pidof(arguments: list[str]) -> int:
    names = [word for word in arguments if not word.startswith("-")]
    pids = [str(pid) for pid in reversed(_everyone()) if _name(pid) in names]
    if pids:
        sys.stdout.write(" ".join(pids) + "\n")
    return 0 if pids else 1


def _matching(arguments: list[str]) -> tuple[list[int], int]:
    """Processes that `pkill` or `pgrep` mean, and the signal."""
    import re

    number, whole, exact, patterns = int(signal.SIGTERM), False, False, []
    for word in arguments:
        if word == "-f":
            whole = True
        elif word == "-x":
            exact = True
        elif word.startswith("-") and word[1:].isdigit():
            number = int(word[1:])
        elif word.startswith("-"):
            number = int(signal.Signals[f"SIG{word[1:].removeprefix('SIG')}"])
        else:
            patterns.append(word)
    pattern = re.compile(patterns[0])
    pids = []
    for pid in _everyone():
        text = " ".join(processes.command_line(_root(), pid)) if whole else _name(pid)[:15]
        if pattern.fullmatch(text) if exact else pattern.search(text):
            pids.append(pid)
    return pids, number


def _pkill(arguments: list[str]) -> int:
    pids, number = _matching(arguments)
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return 0 if pids else 1


def _pgrep(arguments: list[str]) -> int:
    pids, _number = _matching(arguments)
    sys.stdout.write("".join(f"{pid}\n" for pid in pids))
    return 0 if pids else 1


def _ps(arguments: list[str]) -> int:
    """`ps`, `ps -A`, `ps -A -o PID,NAME,ARGS`."""
    columns = ["USER", "PID", "NAME"]
    if "-o" in arguments:
        columns = arguments[arguments.index("-o") + 1].upper().split(",")
    rows = [columns]
    for pid in _everyone():
        words = processes.command_line(_root(), pid)
        values = {"USER": "shell", "PID": str(pid), "S": "R", "NAME": _name(pid), "COMM": _name(pid)[:15]}
        values["ARGS"] = values["CMD"] = " ".join(words)
        rows.append([values.get(column, "-") for column in columns])
    sys.stdout.write("".join(" ".join(row) + "\n" for row in rows))
    return 0


def _df(arguments: list[str]) -> int:
    """`df [-k] [PATH]`; /data is the only file system with a size of interest."""
    state = os.environ[processes.STATE]
    with open(f"{state}/data_capacity_bytes") as file:
        capacity = int(file.read())
    used = sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _folders, names in os.walk(f"{_root()}/data")
        for name in names
    )
    paths = [word for word in arguments if not word.startswith("-")]
    for path in paths:
        if not os.path.exists(path):
            return _complain(f"df: '{path}': No such file or directory")
    free = max(0, capacity - used)
    kib = [amount // 1024 for amount in (capacity, capacity - free, free)]
    percent = 100 - 100 * free // capacity if capacity else 100
    sys.stdout.write("Filesystem      1K-blocks     Used Available Use% Mounted on\n")
    sys.stdout.write(f"/dev/block/dm-5 {kib[0]:9d} {kib[1]:8d} {kib[2]:9d} {percent:3d}% /data\n")
    return 0


_PROGRAMS = {"taskset": _taskset, "pidof": _pidof, "pkill": _pkill, "pgrep": _pgrep, "ps": _ps, "df": _df}
