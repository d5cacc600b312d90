"""A tunnel to an emulated phone, as farms and clouds make one: another address, which can drop and move."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading

from device.threads import start_thread

_BLOCK = 1 << 16


class Tunnel:
    """Forwards a port of loopback to another one.

    Attributes:
        port: The one that it listens on; 0 while it is down.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._carried: list[socket.socket] = []
        self._lock = threading.Lock()
        self._server: socketserver.ThreadingTCPServer | None = None
        self.port = 0

    def open(self) -> int:
        """Listens on a new port, and returns it."""
        tunnel = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                tunnel._carry(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        start_thread(self._server.serve_forever)
        self.port = int(self._server.server_address[1])
        return self.port

    def drop(self) -> None:
        """Ends all connections, and takes no new ones."""
        server, self._server, self.port = self._server, None, 0
        if server is not None:
            server.shutdown()
            server.socket.close()
        with self._lock:
            carried, self._carried = self._carried, []
        for end in carried:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _carry(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            with self._lock:
                self._carried += [near, far]
            other = {near: far, far: near}
            while True:
                for end in select.select([near, far], [], [])[0]:
                    data = end.recv(_BLOCK)
                    if not data:
                        return
                    other[end].sendall(data)
