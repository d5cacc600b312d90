"""Keeping native libraries' chatter off the terminal, and nobody else's output.

Native code writes to the file descriptors 1 and 2, which belong to the whole process. While they are
redirected, Python's streams write to duplicates of the original descriptors instead: the stream objects stay
the same ones, so that a thread that holds `sys.stderr` neither loses a line nor meets a closed file.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO, cast

_STDOUT, _STDERR = 1, 2
_LOCK = threading.RLock()
_KEPT: dict[int, list[int]] = {}  # duplicates of descriptors that stay open, and that no block uses now
# How lines begin that TensorFlow Lite's and TensorFlow's loggers write.
RUNTIME_LOG = re.compile(
    r"(?:FATAL|ERROR|WARNING|INFO|VERBOSE): |[FEWI]\d{4} [\d:.]+ |\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [FEWI] "
)


class NativeOutput:
    """What was captured; complete once the block has ended.

    Attributes:
        text: What native code wrote to stdout, then to stderr, then what this thread printed.
    """

    text = ""


@contextmanager
def captured_native_output(lines: re.Pattern[str] | None = None) -> Iterator[NativeOutput]:
    """Captures what native code writes to stdout and stderr, and what this thread prints.

    What other threads write through Python's streams goes where it always goes, at once. One block runs at a
    time: another thread's waits for its turn, and one inside another captures for itself.

    Args:
        lines: How lines of stderr begin that are captured; all others, which another thread's native code
            or child process may have written, are passed on when the block ends, and stdout is left alone.
            None captures everything. Meant for code during which other threads run.
    """
    captured = NativeOutput()
    texts: list[str] = []
    with _LOCK:
        try:
            with ExitStack() as stack:
                if not lines:
                    stack.enter_context(_thread_prints_kept(texts))
                for descriptor in (_STDERR,) if lines else (_STDERR, _STDOUT):
                    stack.enter_context(_redirected(descriptor, texts))
                yield captured
        finally:
            written = "".join(texts).splitlines(keepends=True)
            captured.text = "".join(line for line in written if not lines or lines.match(line))
            if lines:
                _write_all(_STDERR, "".join(line for line in written if not lines.match(line)))


@contextmanager
def _redirected(descriptor: int, texts: list[str]) -> Iterator[None]:
    """Points a descriptor to a temporary file for the time of the block; appends what came to `texts`.

    A stream is pointed elsewhere before its descriptor is redirected, and back after that was restored. Each
    time its buffer is flushed, which waits for a thread that is just writing. Where Python runs unbuffered
    there is nothing to wait for: what another thread is just writing may then come to `texts`, and the
    duplicate stays open for it.
    """
    with tempfile.TemporaryFile() as log, _duplicate(descriptor) as original:
        files = [file for stream in _python_streams() if (file := _raw_file(stream, descriptor))]
        try:
            for raw, buffer in files:
                _point(raw, original)
                buffer.flush()
            os.dup2(log.fileno(), descriptor)
            try:
                yield
            finally:
                os.dup2(original, descriptor)
                for raw, buffer in files:
                    _point(raw, descriptor)
                    buffer.flush()
        finally:
            log.seek(0)
            texts.append(log.read().decode("utf-8", "surrogateescape"))


@contextmanager
def _duplicate(descriptor: int) -> Iterator[int]:
    """Yields a duplicate of a descriptor; where Python's streams have no buffer, one that is never closed.

    A thread that writes without a buffer holds no lock: it may still be about to write to the duplicate when
    the block has ended, and must not meet a closed file or, worse, another one of the same number.
    """
    if all(hasattr(stream, "buffer") and hasattr(stream.buffer, "raw") for stream in _python_streams()):
        original = os.dup(descriptor)
        try:
            yield original
        finally:
            os.close(original)
        return
    idle = _KEPT.setdefault(descriptor, [])
    if idle:
        os.dup2(descriptor, kept := idle.pop(), inheritable=False)
    else:
        kept = os.dup(descriptor)
    try:
        yield kept
    finally:
        idle.append(kept)


def _python_streams() -> list[Any]:
    streams = [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
    streams = [stream.stream if isinstance(stream, _ThreadStream) else stream for stream in streams]
    return list({id(stream): stream for stream in streams if stream is not None}.values())


def _raw_file(stream: Any, descriptor: int) -> tuple[io.FileIO, Any] | None:
    """Returns the file object under a text stream and its buffer, if it writes to this descriptor."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # without a buffer where Python runs unbuffered
    if not isinstance(raw, io.RawIOBase) or not hasattr(raw, "closefd") or raw.closed:
        return None
    return (cast(io.FileIO, raw), buffer) if raw.fileno() == descriptor else None


def _point(raw: io.FileIO, descriptor: int) -> None:
    """Lets a file object write to another descriptor, in one step for other threads."""
    name = raw.name
    raw.__init__(descriptor, "wb", closefd=False)  # type: ignore[misc] # documented by its signature alone
    raw.name = name


@contextmanager
def _thread_prints_kept(texts: list[str]) -> Iterator[None]:
    """Keeps what the present thread prints in the block; other threads' prints go where they always go."""
    before = sys.stdout
    if before is None:
        yield
        return
    stream = _ThreadStream(before)
    sys.stdout = cast(TextIO, stream)
    try:
        yield
    finally:
        if cast(Any, sys.stdout) is stream:
            sys.stdout = before
        texts.append(stream.close_capture())


class _ThreadStream:
    """A text stream that keeps what one thread writes; for all others it is the stream behind it.

    A thread that took it for `sys.stdout` may go on to use it when the block has ended.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._thread: int | None = threading.get_ident()
        self._kept = io.StringIO()

    def write(self, text: str) -> int:
        target = self._kept if threading.get_ident() == self._thread else self.stream
        return target.write(text)

    def writelines(self, texts: Any) -> None:
        for text in texts:
            self.write(text)

    def close_capture(self) -> str:
        """Ends the keeping; returns what was kept."""
        self._thread = None
        return self._kept.getvalue()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _write_all(descriptor: int, text: str) -> None:
    content = text.encode("utf-8", "surrogateescape")
    while content:
        content = content[os.write(descriptor, content) :]
