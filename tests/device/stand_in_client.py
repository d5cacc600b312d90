"""What a pushed `benchmark_model` turns into: a small process, watched and killed as the real one would be.

The work is done by a child of `stand_in_server.py`, which has the TFLite runtime loaded; it ends when this
process ends, and this process ends as it does, by the same exit code or signal. Run as
`python -I -S stand_in_client.py SOCKET BINARY FLAGS...`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from device import phone_processes as processes

_ANSWERED_WITHIN_S = _SERVER_STARTS_WITHIN_S = 120.0


def main() -> None:
    """Asks the server to run, waits, and ends in the same way."""
    socket_path, argv = sys.argv[1], sys.argv[2:]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    root, state = os.environ[processes.ROOT], os.environ[processes.STATE]
    cores = int(os.environ[processes.CORES])
    mask = int(os.environ.get(processes.MASK, f"{(1 << cores) - 1:x}"), 16)
    processes.show_process(root, os.getpid(), argv, mask, cores)
    _record(state, [word.replace(root + "/", "/") for word in argv])
    request = {"argv": argv, "cwd": os.getcwd(), "root": root, "state": state, "pid": os.getpid()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        _connect(server, socket_path)
        socket.send_fds(server, [b"R"], [1, 2])
        server.sendall(json.dumps(request).encode() + b"\n")
        answer = server.recv(16)
    status = int(answer or b"9")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _connect(server: socket.socket, path: str) -> None:
    """Waits for the server's start, which takes as long as the import of the runtime."""
    end = time.monotonic() + _SERVER_STARTS_WITHIN_S
    while True:
        try:
            server.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _record(state: str, argv: list[str]) -> None:
    """Notes the launch, waits until the phone knows that its cores are busy, and says that it has begun."""
    with open(f"{state}/launches.jsonl", "a") as file:
        launch = {"argv": argv, "pid": os.getpid(), "watch": os.environ.get(processes.WATCH, "")}
        file.write(json.dumps(launch) + "\n")
    path = f"{state}/started/{os.getpid()}"
    with open(f"{state}/asking-{os.getpid()}", "w") as file:
        file.write("asks")
    os.replace(f"{state}/asking-{os.getpid()}", path)
    end = time.monotonic() + _ANSWERED_WITHIN_S
    while _content(path) == "asks":
        if time.monotonic() > end:
            sys.exit("the emulated phone does not let the launch begin")
        time.sleep(0.002)
    if watch := os.environ.get(processes.WATCH):
        open(f"{state}/watches/{watch}.begun", "w").close()


def _content(path: str) -> str:
    with open(path) as file:
        return file.read()


main()
