"""The process that has the TFLite runtime loaded and runs each launch of `benchmark_model` in a child.

Run as `python stand_in_server.py SOCKET`; it ends when its standard input does, so that it cannot outlive the
tests. A launch costs two forks instead of a start of Python and of the runtime.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))


def main() -> None:
    """Serves launches until standard input is closed."""
    from device import benchmark_stand_in

    benchmark_stand_in.load_runtime()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        while True:
            ready, _, _ = select.select([listener.fileno(), 0], [], [])
            if 0 in ready:
                return
            connection, _address = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _supervise(connection)
                    os._exit(0)


def _supervise(connection: socket.socket) -> None:
    """Runs one launch in a child; kills it when client or tests go, else tells the client how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _mark, outputs, _flags, _address = socket.recv_fds(connection, 1, 2)
    request = bytearray()
    while not request.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            return
        request += part
    child = os.fork()
    if child == 0:
        connection.close()
        _run(json.loads(request), outputs)
    for descriptor in outputs:
        os.close(descriptor)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, connection.fileno(), 0], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _pid, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.sendall(str(status).encode())


def _run(request: dict[str, Any], outputs: list[int]) -> None:
    from device import benchmark_stand_in

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.dup2(outputs[0], 1)
    os.dup2(outputs[1], 2)
    code = 70
    try:
        os.chdir(request["cwd"])
        code = benchmark_stand_in.run(request)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    os._exit(code)


if __name__ == "__main__":
    main()
