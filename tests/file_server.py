"""A server of files on this machine, for tests of images behind URLs."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, parts of files too unless told otherwise."""

    with_ranges = True
    tag: Callable[[bytes], str] | None = None  # makes an ETag of a file's bytes
    with_times = True
    asked: ClassVar[list[str]] = []  # the files that were asked about without being sent

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        super().do_HEAD()

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified" or self.with_times:
            super().send_header(keyword, value)

    def send_head(self) -> Any:
        wanted = self.headers.get("Range") if self.with_ranges else None
        path = Path(self.translate_path(self.path))
        if not path.is_file() or wanted is None:
            return super().send_head()
        first, last = wanted.removeprefix("bytes=").split("-")
        data = path.read_bytes()
        part = data[int(first) : int(last or len(data)) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        return None

    def end_headers(self) -> None:
        if self.with_ranges:
            self.send_header("Accept-Ranges", "bytes")
        path = Path(self.translate_path(self.path))
        if self.tag is not None and path.is_file():
            self.send_header("ETag", type(self).tag(path.read_bytes()))  # type: ignore[misc]
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


class WholeFiles(Handler):
    """A server that sends files as a whole only, as `python -m http.server` does."""

    with_ranges = False


class Tagged(Handler):
    """A server whose ETags change with the bytes, and that tells no times."""

    with_times = False

    @staticmethod
    def tag(data: bytes) -> str:
        return f'"{hashlib.sha256(data).hexdigest()[:16]}"'


class WeaklyTagged(Handler):
    """A server whose ETags do not tell bytes apart, and that tells no times."""

    with_times = False

    @staticmethod
    def tag(data: bytes) -> str:
        return 'W/"always"'


class TaggedAndTimed(Tagged):
    """A server that tells times besides ETags that change with the bytes."""

    with_times = True


class Sending(Handler):
    """A server that sends who asks for `sent.tar` to another of its files; all have one ETag and no time."""

    with_times = False
    target: ClassVar[str] = ""

    @staticmethod
    def tag(data: bytes) -> str:
        return '"same"'

    def send_head(self) -> Any:
        if self.path != "/sent.tar":
            return super().send_head()
        self.send_response(302)
        self.send_header("Location", self.target)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None


def serving(folder: Path, handler: type[Handler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
