"""The store of results that stages use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath

if TYPE_CHECKING:
    from edge_mnv3_quantization.evaluation.store import Store


@contextmanager
def opened_store(
    folder: AnyPath | None, reporter: Reporter, *, use: bool = True, reads_all: bool = False
) -> Iterator[Store | None]:
    """Opens the store for the time of a block.

    Args:
        folder: Its folder; None for `results` in the cache folder.
        reporter: Warned where it cannot be used, or was damaged.
        use: Whether it is wanted.
        reads_all: What it holds is all that is wanted, and must be whole.

    Yields:
        The store; None where it is not wanted, or there is no cache folder.

    Raises:
        InputFileError: It cannot be used, and all is to be read.
    """
    from edge_mnv3_quantization.evaluation.store import Store, store_folder

    if not use:
        yield None
        return
    try:
        path = store_folder() if folder is None else Path(folder)
    except RuntimeError as error:
        reporter.warn(f"no store of results: {error}; use --store, or --no-store")
        yield None
        return
    with Store(path, reporter, reads_all=reads_all) as store:
        yield store
