"""Downloading published weights, against a local HTTP server."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.errors import ArgumentError, DownloadError, OutputError
from edge_mnv3.model import weights
from edge_mnv3.model.arch import VARIANTS, Variant
from edge_mnv3.model.weights import PUBLISHED, PublishedFile, cache_folder, published_weights
from recording_reporter import RecordingReporter

CONTENT = bytes(range(256)) * 400
SMALL = VARIANTS["small"]
NAME = "weights_mobilenet_v3_small_224_1.0_float.h5"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the server's `mode` says."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        if server.mode in (404, 500):
            self.send_error(server.mode)
            return
        body = CONTENT if server.mode != "wrong" else CONTENT[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if server.mode == "cut" else body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    md5 = hashlib.md5(CONTENT).hexdigest()
    monkeypatch.setitem(weights.PUBLISHED, (SMALL, True), PublishedFile(NAME, md5))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        http_server: Any = running
        http_server.mode, http_server.asked = "good", []
        monkeypatch.setenv(weights.URL_VARIABLE, f"http://127.0.0.1:{running.server_port}/models/")
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield http_server
        running.shutdown()
        thread.join()


def left_in_cache() -> list[str]:
    return sorted(path.name for path in cache_folder().iterdir()) if cache_folder().exists() else []


def test_twelve_files_with_keras_names() -> None:
    assert len(PUBLISHED) == 12
    assert len({file.md5 for file in PUBLISHED.values()}) == 12
    assert PUBLISHED[VARIANTS["small"], True] == PublishedFile(NAME, "8768d4c2e7dee89b9d02b2d03d65d862")
    assert PUBLISHED[Variant("large", True, 1.0), False].name == (
        "weights_mobilenet_v3_large_minimalistic_224_1.0_float_no_top_v2.h5"
    )
    assert PUBLISHED[VARIANTS["large_0.75"], True].name == "weights_mobilenet_v3_large_224_0.75_float.h5"


def test_downloads_once(server: Any) -> None:
    reporter = RecordingReporter()
    path = published_weights(SMALL, reporter=reporter)
    assert path == cache_folder() / NAME
    assert path.read_bytes() == CONTENT
    assert server.asked == [f"/models/{NAME}"]
    assert reporter.done_and_total[-1] == (len(CONTENT), len(CONTENT))
    assert reporter.warnings == []
    assert published_weights(SMALL) == path
    assert len(server.asked) == 1
    assert left_in_cache() == [NAME]


def test_file_that_keras_has_already_is_used(server: Any) -> None:
    cache_folder().mkdir(parents=True)
    (cache_folder() / NAME).write_bytes(CONTENT)
    assert published_weights(SMALL).read_bytes() == CONTENT
    assert server.asked == []


def test_corrupt_cached_file_is_named_and_replaced(server: Any) -> None:
    cache_folder().mkdir(parents=True)
    (cache_folder() / NAME).write_bytes(b"half a file")
    reporter = RecordingReporter()
    assert published_weights(SMALL, reporter=reporter).read_bytes() == CONTENT
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert reporter.warnings == [
        f"{cache_folder() / NAME} is corrupt (its MD5 is not {md5}): downloading it again"
    ]


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("wrong", "a file of another MD5 than the published one"),
        ("cut", "the connection was cut"),
        (404, "the server answered 404"),
        (500, "the server answered 500"),
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_failed_download(server: Any, mode: str | int, problem: str, cached: bool) -> None:
    server.mode = mode
    if cached:
        cache_folder().mkdir(parents=True)
        (cache_folder() / NAME).write_bytes(b"half a file")
    with pytest.raises(DownloadError) as caught:
        published_weights(SMALL)
    url = f"http://127.0.0.1:{server.server_port}/models/{NAME}"
    assert str(caught.value) == (
        f"download of {url}: got {problem}; put the file at {cache_folder() / NAME} by hand, or use "
        "--weights FILE; edge-mnv3 demo needs no download"
    )
    assert left_in_cache() == ([NAME] if cached else [])


def test_no_server(monkeypatch: pytest.MonkeyPatch, server: Any) -> None:
    monkeypatch.setenv(weights.URL_VARIABLE, "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(DownloadError, match=r"got no connection \(ConnectionError\); put the file at "):
        published_weights(SMALL)
    assert left_in_cache() == []


def test_cache_that_cannot_be_written(server: Any) -> None:
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_text("a file where the folder should be")
    with pytest.raises(OutputError) as caught:
        published_weights(SMALL)
    assert str(caught.value).startswith(f"weights cache {cache_folder()}: ")
    assert str(caught.value).endswith("; set KERAS_HOME to a folder that can be written to")


def test_variant_without_published_weights() -> None:
    with pytest.raises(ArgumentError) as caught:
        published_weights(Variant("small", True, 0.75))
    assert str(caught.value) == (
        "published weights of small_minimalistic_0.75: got none, expected alpha 1.0; use --weights with a "
        "file of your own"
    )


def test_cache_folder_is_that_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_HOME", raising=False)
    assert cache_folder() == Path.home() / ".keras" / "models"
