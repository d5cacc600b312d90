"""Processes of an emulated phone, as this computer sees them and as the phone's /proc shows them.

Every process that a script starts inherits the variable `EDGE_PHONE`, by which it is found again. This module
is loaded by short-lived programs: it imports nothing but `os`.
"""

from __future__ import annotations

import os

MARK = "EDGE_PHONE"
ROOT = "EDGE_PHONE_ROOT"
STATE = "EDGE_PHONE_STATE"
MASK = "EDGE_PHONE_MASK"
CORES = "EDGE_PHONE_CORES"
WATCH = "EDGE_PHONE_WATCH"


def marked_pids(mark: str) -> list[int]:
    """Numbers of the running processes of the phone with this mark, oldest first."""
    wanted = f"{MARK}={mark}".encode()
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit() and wanted in _read(f"/proc/{name}/environ").split(b"\0") and is_running(int(name)):
            pids.append(int(name))
    return sorted(pids)


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended yet."""
    stat = _read(f"/proc/{pid}/stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[:1] not in ([b"Z"], [b"X"])


def command_line(root: str, pid: int) -> list[str]:
    """The command line of a process in the phone's words; empty when it has ended."""
    text = _read(f"{root}/proc/{pid}/cmdline") or _read(f"/proc/{pid}/cmdline")
    words = text.decode("utf-8", "replace").split("\0")[:-1]
    if words and words[0].rpartition("/")[2] in ("sh", "dash", "bash"):
        words[0] = "sh"
        if len(words) == 4 and words[1] == "-c":
            words.pop()
    return [word.replace(root + "/", "/") for word in words]


def show_process(
    root: str, pid: int, argv: list[str], mask: int, cores: int, *, replace: bool = True
) -> None:
    """Writes /proc/PID of the phone: status with the cores that the process may use, command line, name.

    Without `replace` what the process has written of itself by then stays.
    """
    folder = f"{root}/proc/{pid}"
    os.makedirs(folder, exist_ok=True)
    name = (argv[0].rpartition("/")[2] if argv else "sh")[:15]
    allowed = ",".join(_ranges([cpu for cpu in range(cores) if mask >> cpu & 1]))
    width = (cores + 3) // 4
    lines = [
        f"Name:\t{name}",
        "State:\tR (running)",
        f"Tgid:\t{pid}",
        f"Pid:\t{pid}",
        f"PPid:\t{os.getppid()}",
        "Uid:\t2000\t2000\t2000\t2000",
        "VmRSS:\t   40960 kB",
        "Threads:\t1",
        f"Cpus_allowed:\t{mask:0{width}x}",
        f"Cpus_allowed_list:\t{allowed}",
    ]
    _write(f"{folder}/status", "\n".join(lines) + "\n", replace=replace)
    _write(f"{folder}/comm", name + "\n", replace=replace)
    if argv:
        words = "".join(word.replace(root + "/", "/") + "\0" for word in argv)
        _write(f"{folder}/cmdline", words, replace=replace)


def shown_mask(root: str, pid: int) -> int | None:
    """The cores that a process may use, as its /proc/PID/status says; None when it has none."""
    for line in _read(f"{root}/proc/{pid}/status").decode().splitlines():
        key, _, value = line.partition(":\t")
        if key == "Cpus_allowed":
            return int(value.replace(",", ""), 16)
    return None


def _ranges(cpus: list[int]) -> list[str]:
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and runs[-1][-1] == cpu - 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _write(path: str, text: str, *, replace: bool) -> None:
    """Writes a whole file at once. The phone and the process itself may do so at the same time."""
    part = f"{path}.part{os.getpid()}"
    with open(part, "w") as file:
        file.write(text)
    if replace:
        os.replace(part, path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        os.unlink(part)
