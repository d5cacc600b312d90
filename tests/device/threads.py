"""Threads of an emulated phone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


def start_thread(work: Callable[..., None], *arguments: object) -> threading.Thread:
    """Runs something beside the tests, untraced: a phone is no code to cover, and traced it takes longer."""

    def untraced() -> None:
        sys.settrace(None)
        work(*arguments)

    thread = threading.Thread(target=untraced, daemon=True)
    thread.start()
    return thread
