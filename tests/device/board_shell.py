"""What the ssh server runs for each command: the emulated board's shell, under the same process number.

Run by `ForceCommand` as `python -I -S board_shell.py SOCKET`. It asks the board, and gets words: the folder,
the number of arguments, these, then `NAME=VALUE` of the environment. It imports what is built in alone: it is
started for each command.
"""

from __future__ import annotations

import _socket
import os
import sys


def main() -> None:
    """Asks the board, and becomes its shell."""
    request = f"{os.getpid()}\0{os.environ.get('SSH_ORIGINAL_COMMAND', '')}\0\0"
    board = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    board.connect(sys.argv[1])
    board.send(request.encode())
    answer = b""
    while block := board.recv(1 << 20):
        answer += block
    board.close()
    folder, count, *words = answer.decode().split("\0")
    argv, variables = words[: int(count)], words[int(count) :]
    os.chdir(folder)
    os.execve(argv[0], argv, dict(variable.split("=", 1) for variable in variables))


main()
