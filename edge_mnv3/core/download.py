"""The one way in which a file is downloaded."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from edge_mnv3.core.errors import DownloadError
from edge_mnv3.core.reporting import SILENT, Reporter

_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 16
# Google's storage tells the hash of a file beside it.
_HASH_HEADER = "x-goog-hash"
_MD5 = re.compile(r"md5=([A-Za-z0-9+/]{22}==)")


def download(url: str, path: Path, reporter: Reporter = SILENT, *, next_step: str = "") -> None:
    """Downloads a file.

    Args:
        url: Its address.
        path: Where to write it; after an error a part of it may be there.
        reporter: Told of the bytes done, of all bytes; of 0 where the server does not say how many.
        next_step: What the user can do instead, for the errors.

    Raises:
        DownloadError: The server cannot be reached, has no such file, or sent a part of it only,
            or something else than its own hash tells.
        OSError: It cannot be written.
    """
    import requests

    try:
        # Without compression on the way: the length is then that of the file.
        headers = {"Accept-Encoding": "identity"}
        with (
            requests.get(url, stream=True, timeout=_TIMEOUT_S, headers=headers) as response,
            path.open("wb") as file,
        ):
            response.raise_for_status()
            total = int(response.headers.get("Content-Length", 0))
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                reporter.progress(file.tell(), total)
            if total and file.tell() != total:
                raise download_error(url, f"{file.tell()} of {total} bytes", next_step)
            told = _MD5.search(response.headers.get(_HASH_HEADER, ""))
            if told and told[1] != base64.b64encode(digest.digest()).decode():
                raise download_error(url, "another content than the server's hash tells", next_step)
    except requests.HTTPError as error:
        problem = f"the server answered {error.response.status_code}"
        raise download_error(url, problem, next_step) from error
    except requests.RequestException as error:
        was_cut = isinstance(error, requests.exceptions.ChunkedEncodingError)
        problem = "the connection was cut" if was_cut else f"no connection ({type(error).__name__})"
        raise download_error(url, problem, next_step) from error


def download_error(url: str, problem: str, next_step: str) -> DownloadError:
    """Makes the error of a download that failed."""
    return DownloadError(f"download of {url}", problem, next_step=next_step)
