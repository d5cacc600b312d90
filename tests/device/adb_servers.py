"""adb binaries that are on this computer, and adb servers for these tests alone."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CALL_TIMEOUT_S = _START_TIMEOUT_S = _REACH_S = 60.0
_POLL_S = 0.05
# However the tests end, their end of the pipe is closed, and the server does not outlive them.
_UNTIL_STDIN_ENDS = '"$0" "$@" & read _; kill -9 $!; wait 2> /dev/null'


@dataclass(frozen=True, kw_only=True)
class AdbBinary:
    """One adb: `name` (such as `adb-36`) tells tests apart."""

    path: Path
    version: str
    name: str

    @property
    def major(self) -> int:
        """36 of 36.0.0-13206524."""
        return int(self.version.partition(".")[0])


@functools.cache
def find_adb_binaries() -> tuple[AdbBinary, ...]:
    """One adb of each version, from EDGE_MNV3_TEST_ADBS (a path list), $ADB, PATH and the adbutils wheel."""
    candidates = [
        Path(entry) for entry in os.environ.get("EDGE_MNV3_TEST_ADBS", "").split(os.pathsep) if entry
    ]
    if from_environment := os.environ.get("ADB"):
        candidates.append(Path(from_environment))
    if on_path := shutil.which("adb"):
        candidates.append(Path(on_path))
    if (wheel := importlib.util.find_spec("adbutils")) and wheel.origin:
        candidates.append(Path(wheel.origin).parent / "binaries/adb")
    binaries: dict[str, AdbBinary] = {}
    for path in candidates:
        if (version := _version(path)) and version not in binaries:
            name = f"adb-{version.partition('.')[0]}"
            binaries[version] = AdbBinary(path=path, version=version, name=name)
    return tuple(sorted(binaries.values(), key=lambda adb: adb.major))


def _version(path: Path) -> str | None:
    if not os.access(path, os.X_OK):
        return None
    try:
        told = subprocess.run(
            [path, "version"], capture_output=True, text=True, timeout=CALL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"^Version (\S+)", told.stdout, re.MULTILINE)
    return match[1] if match else None


@dataclass(frozen=True, kw_only=True)
class AdbServer:
    """A running adb server.

    Attributes:
        binary: Its adb, to be used as the client too.
        port: For `adb -P`.
        environment: Environment of the clients: a separate home folder, no look at USB or the network.
    """

    binary: AdbBinary
    port: int
    environment: Mapping[str, str]

    def run(self, *arguments: str, timeout_s: float = CALL_TIMEOUT_S) -> subprocess.CompletedProcess[bytes]:
        """Runs the client; raises `subprocess.TimeoutExpired` when it hangs."""
        return subprocess.run(
            self.argv(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=self.environment,
        )

    def argv(self, *arguments: str) -> list[str]:
        """The client's argument list."""
        return [str(self.binary.path), "-P", str(self.port), *arguments]

    def connect(self, serial: str) -> str:
        """`adb connect`; what it says."""
        return self.run("connect", serial).stdout.decode().strip()

    def reach(self, serial: str) -> None:
        """Connects until the phone may be used: one that was just plugged in may not answer at once.

        Raises:
            TimeoutError: It may not within a minute.
        """
        end = time.monotonic() + _REACH_S
        while time.monotonic() < end:
            self.connect(serial)
            if self.state(serial) == "device":
                return
            time.sleep(_POLL_S)
        raise TimeoutError(f"{serial} is {self.state(serial)}: {self.connect(serial)}")

    def disconnect(self, serial: str) -> None:
        """`adb disconnect`."""
        self.run("disconnect", serial)

    def state(self, serial: str) -> str:
        """The state under which the server lists a phone; `missing` when it does not."""
        listing = self.run("devices").stdout.decode()
        match = re.search(rf"^{re.escape(serial)}\s+(\S+)", listing, re.MULTILINE)
        return match[1] if match else "missing"


@contextmanager
def running_server(binary: AdbBinary, folder: Path) -> Iterator[AdbServer]:
    """Runs an adb server on a free port as a child process, and ends it."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ADB", "ANDROID"))},
        "HOME": str(home),
        "ANDROID_USER_HOME": str(home),
        "TMPDIR": str(home),
        # Without these the server looks for USB devices and emulators: three seconds, and phones of others.
        "ADB_USB": "0",
        "ADB_LIBUSB": "0",
        "ADB_MDNS": "0",
        "ADB_MDNS_OPENSCREEN": "0",
        "ADB_EMU": "0",
        "ADB_LOCAL_TRANSPORT_MAX_PORT": "0",
        "ANDROID_ADB_SERVER_PORT": str(port),
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", _UNTIL_STDIN_ENDS, str(binary.path), "-P", str(port), "nodaemon", "server"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
        )
        try:
            _wait_until_open(port, process)
            yield AdbServer(binary=binary, port=port, environment=environment)
        finally:
            process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the adb server on port {port} did not start")
        time.sleep(0.01)
