"""The phone's side of the adb protocol: connections, authorization, streams with flow control."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator

from device import adb_wire
from device.adb_wire import Message
from device.cable import Cable
from device.threads import start_thread

_END_TIMEOUT_S = 5.0
Serve = Callable[[str, "Stream"], None]
"""Answers one service, such as `shell:ls`, on a stream; raises `UnknownServiceError` for others."""


class UnknownServiceError(Exception):
    """The phone has no such service: the stream is refused."""


class StreamClosedError(Exception):
    """The computer has closed the stream, or the connection is gone."""


class Stream:
    """One two-way stream; each block that is sent waits until the other side has taken it."""

    def __init__(self, connection: Connection, local_id: int, remote_id: int) -> None:
        self._connection = connection
        self._ids = (local_id, remote_id)
        self._incoming: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._rest = b""
        self._taken = threading.Semaphore(1)
        self._write_lock = threading.Lock()
        self.closed = threading.Event()

    def read(self) -> bytes:
        """The next block.

        Raises:
            StreamClosedError: There is none, and there will be none.
        """
        if self._rest:
            block, self._rest = self._rest, b""
            return block
        incoming = self._incoming.get()
        if incoming is None:
            self._incoming.put(None)
            raise StreamClosedError
        self._connection.send(Message(adb_wire.A_OKAY, *self._ids))
        return incoming

    def read_exactly(self, size: int) -> bytes:
        """Exactly `size` bytes.

        Raises:
            StreamClosedError: The stream ended before.
        """
        parts = bytearray()
        while len(parts) < size:
            block = self.read()
            wanted = size - len(parts)
            parts += block[:wanted]
            self._rest = block[wanted:]
        return bytes(parts)

    def write(self, data: bytes, *, until_taken: bool = False) -> None:
        """Sends `data`; with `until_taken` returns only when the computer has it.

        Raises:
            StreamClosedError: The stream is closed.
        """
        with self._write_lock:
            for start in range(0, len(data), self._connection.max_payload):
                self._taken.acquire()
                if self.closed.is_set():
                    self._taken.release()
                    raise StreamClosedError
                block = data[start : start + self._connection.max_payload]
                self._connection.send(Message(adb_wire.A_WRTE, *self._ids, block))
            if until_taken:
                self._taken.acquire()
                self._taken.release()

    def close(self) -> None:
        """Tells the computer that this is the end; waits until what was written has been taken."""
        if not self.closed.is_set():
            self._taken.acquire()
            self._taken.release()
        self._connection.forget(self._ids[0])
        if not self.closed.is_set():
            self._connection.send(Message(adb_wire.A_CLSE, *self._ids))
            self.shut()

    def accept_block(self, data: bytes) -> None:
        """Called by the connection when a block has arrived."""
        self._incoming.put(data)

    def accept_taken(self) -> None:
        """Called by the connection when the other side has taken the last block."""
        self._taken.release()

    def shut(self) -> None:
        """Called by the connection when the other side has closed or is gone."""
        self.closed.set()
        self._incoming.put(None)
        self._taken.release()


class Connection:
    """One adb server that is connected to the phone."""

    def __init__(self, daemon: Adbd, link: socket.socket) -> None:
        self._daemon = daemon
        self._link = link
        self._send_lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._numbers = itertools.count(1)
        self.max_payload = adb_wire.MAX_PAYLOAD_BYTES
        self.authorized = False

    def run(self) -> None:
        """Answers messages until the other side goes."""
        with contextlib.closing(self._link):
            while message := adb_wire.receive_message(self._link):
                self._daemon.cable.pass_through(len(message.payload))
                self._answer(message)
        for stream in list(self._streams.values()):
            stream.shut()

    def send(self, message: Message) -> None:
        """Sends one message; silent when the other side has gone, which the reading side notices."""
        self._daemon.cable.pass_through(len(message.payload))
        with self._send_lock, contextlib.suppress(OSError):
            self._link.sendall(message.to_bytes())

    def greet(self) -> None:
        """Tells the server who the phone is: from now on it is a `device`, or what the banner says."""
        self.authorized = True
        banner = self._daemon.banner().encode()
        version = adb_wire.VERSION_WITHOUT_CHECKSUM
        self.send(Message(adb_wire.A_CNXN, version, adb_wire.MAX_PAYLOAD_BYTES, banner))

    def drop(self) -> None:
        """Ends the connection as an unplugged cable does."""
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)

    def forget(self, local_id: int) -> None:
        """Removes a stream that has ended."""
        self._streams.pop(local_id, None)

    def _answer(self, message: Message) -> None:
        if message.command == adb_wire.A_CNXN:
            self.max_payload = min(message.arg1, adb_wire.MAX_PAYLOAD_BYTES)
            if self._daemon.asks_for_key:
                self._ask_for_key()
            else:
                self.greet()
        elif message.command == adb_wire.A_AUTH:
            self._check_key(message)
        elif not self.authorized:
            return
        elif message.command == adb_wire.A_OPEN:
            self._open(message)
        elif stream := self._streams.get(message.arg1):
            if message.command == adb_wire.A_WRTE:
                stream.accept_block(message.payload)
            elif message.command == adb_wire.A_OKAY:
                stream.accept_taken()
            elif message.command == adb_wire.A_CLSE:
                self.forget(message.arg1)
                stream.shut()

    def _ask_for_key(self) -> None:
        self.send(Message(adb_wire.A_AUTH, adb_wire.AUTH_TOKEN, 0, os.urandom(20)))

    def _check_key(self, message: Message) -> None:
        """A signature is taken on trust once the owner has accepted a key, as a phone that knows the key."""
        if self._daemon.key_accepted:
            self.greet()
        elif message.arg0 == adb_wire.AUTH_SIGNATURE:
            self._ask_for_key()
        else:
            self._daemon.wait_for_owner(self)

    def _open(self, message: Message) -> None:
        service = message.payload.rstrip(b"\0").decode("utf-8", "surrogateescape")
        local_id = next(self._numbers)
        stream = Stream(self, local_id, message.arg0)
        self._streams[local_id] = stream
        self._daemon.start_thread(self._serve, service, stream, local_id)

    def _serve(self, service: str, stream: Stream, local_id: int) -> None:
        remote_id = stream._ids[1]
        if not self._daemon.knows(service):
            self.forget(local_id)
            self.send(Message(adb_wire.A_CLSE, 0, remote_id))
            return
        self.send(Message(adb_wire.A_OKAY, local_id, remote_id))
        try:
            with contextlib.suppress(StreamClosedError):
                self._daemon.serve(service, stream)
        finally:
            stream.close()


class Adbd:
    """Listens on loopback and speaks with each adb server that connects.

    Attributes:
        port: The port, the same for all of the phone's life.
        asks_for_key: Whether a server must prove itself first.
        key_accepted: Whether the owner has tapped "allow".
    """

    def __init__(
        self, cable: Cable, banner: Callable[[], str], knows: Callable[[str], bool], serve: Serve
    ) -> None:
        self.cable = cable
        self.banner = banner
        self.knows = knows
        self.serve = serve
        self.asks_for_key = False
        self.key_accepted = False
        self._threads: list[threading.Thread] = []
        self._waiting: list[Connection] = []
        self._connections: list[Connection] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0

    def listen(self) -> None:
        """Begins to accept connections, on the same port as before."""
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        self.start_thread(self._accept, listener)

    def start_thread(self, work: Callable[..., None], *arguments: object) -> None:
        """Runs something that ends by itself when the connections have ended."""
        thread = start_thread(work, *arguments)
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive()] + [thread]

    def join(self) -> None:
        """Waits until all threads have ended; call it after `hang_up`."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(_END_TIMEOUT_S)

    def hang_up(self) -> None:
        """Ends all connections and accepts no more."""
        with self._lock:
            listener, self._listener = self._listener, None
            connections, self._connections = self._connections, []
            self._waiting.clear()
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in connections:
            connection.drop()

    def wait_for_owner(self, connection: Connection) -> None:
        """A server has offered its key: the dialog is on the phone's screen."""
        with self._lock:
            self._waiting.append(connection)

    def accept_key(self) -> None:
        """The owner taps "allow": the servers that wait are let in, later ones at once."""
        with self._lock:
            self.key_accepted = True
            waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.greet()

    def _accept(self, listener: socket.socket) -> None:
        for link in _accepted(listener):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, link)
            with self._lock:
                if self._listener is not listener:
                    link.close()
                    return
                self._connections.append(connection)
            self.start_thread(connection.run)


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    while True:
        try:
            link, _address = listener.accept()
        except OSError:
            return
        yield link
