"""Lets processes that others start become shells of an emulated phone: see `board_shell.py`."""

from __future__ import annotations

import socketserver

from device.phone import Phone
from device.shell_service import to_host_script


class ShellServer(socketserver.ThreadingUnixStreamServer):
    """Tells `board_shell.py` how to become the board's shell."""

    daemon_threads = True

    def __init__(self, path: str, phone: Phone) -> None:
        super().__init__(path, _ShellHandler)
        self.phone = phone


class _ShellHandler(socketserver.BaseRequestHandler):
    server: ShellServer

    def handle(self) -> None:
        request = b""
        while not request.endswith(b"\0\0"):
            request += self.request.recv(1 << 20)
        pid, script = request.decode()[:-2].split("\0")
        phone = self.server.phone
        script = script.replace(f"{phone.root}/", "/")  # of paths that an earlier script has printed
        phone.shell_log.append(script)
        phone.before_shell()
        phone.register_process(int(pid))
        argv = phone.shell_command(to_host_script(script, phone.root))
        environment = [f"{name}={value}" for name, value in phone.shell_environment(script).items()]
        self.request.sendall("\0".join([str(phone.root), str(len(argv)), *argv, *environment]).encode())
