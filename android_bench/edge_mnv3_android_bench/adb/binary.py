"""Which `adb` binary to use."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from edge_mnv3.core.errors import AdbUnavailableError
from edge_mnv3.core.paths import no_file

_PROGRAM = "adb.exe" if sys.platform == "win32" else "adb"
_INSTALL = "install Android's platform-tools or pip install 'edge-mnv3[adb]', or name the binary with --adb"


def find_adb(option: Path | None = None) -> Path:
    """Finds adb: the option, `$ADB`, `PATH`, the folders of an Android SDK, the wheel of `adbutils`.

    Args:
        option: A binary that the user names; nothing else is looked at then.

    Raises:
        AdbUnavailableError: There is none, or the one named by the option or by `$ADB` is no program.
    """
    named = option or Path(os.environ["ADB"]) if option or os.environ.get("ADB") else None
    if named:
        path = named.expanduser()
        if not _is_program(path):
            source = "--adb" if option else "$ADB"
            got = "a file that may not be run" if path.is_file() else no_file(path)
            raise AdbUnavailableError(f"adb {named} of {source}", got, "the adb binary")
        return path.absolute()
    on_path = shutil.which("adb")
    if on_path:
        return Path(on_path).absolute()
    installed = next((path for path in _usual_places() if _is_program(path)), None)
    if installed is None:
        raise AdbUnavailableError(
            "adb was not found", "none in $ADB, PATH, the Android SDK's folders, adbutils", next_step=_INSTALL
        )
    return installed


def _usual_places() -> Iterator[Path]:
    home = Path.home()
    sdks = [Path(os.environ[name]) for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT") if os.environ.get(name)]
    sdks += [home / "Android" / "Sdk", home / "Library" / "Android" / "sdk", Path("/usr/lib/android-sdk")]
    if os.environ.get("LOCALAPPDATA"):
        sdks.append(Path(os.environ["LOCALAPPDATA"]) / "Android" / "Sdk")
    yield from (sdk / "platform-tools" / _PROGRAM for sdk in sdks)
    wheel = importlib.util.find_spec("adbutils")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(folder) / "binaries" / _PROGRAM


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
