"""The emulated phone: what tests hold in their hands."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from device import conditions as phone_conditions
from device import phone_processes, shell_service, sync_service, watching
from device.adbd import Adbd, Stream, UnknownServiceError
from device.agenda import Agenda
from device.cable import Cable
from device.conditions import Conditions
from device.launches import Launches
from device.layouts import Layout
from device.phone_commands import host_program
from device.phone_folder import PhoneFolder
from device.stand_in_behaviour import Behaviour, Figures
from device.threads import start_thread

TICK_S = 0.01
PATIENCE_S = 60.0  # for what takes no time on a computer that does nothing else
_BANNER_PROPERTIES = ("ro.product.name", "ro.product.model", "ro.product.device")


class PhoneProcess(NamedTuple):
    """A process that runs on the phone."""

    pid: int
    name: str
    argv: tuple[str, ...]


class Phone:
    """An Android phone that exists only as a folder, a few threads and child processes.

    Attributes:
        layout: What kind of phone it is.
        root: The folder that holds the phone's files.
        conditions: Clocks, heat, battery and so on; assign to its fields.
        cable: Faults of the connection; assign to its fields.
        faults: Faults of the phone; assign to its fields.
        figures: Scripted timings of `benchmark_model`; None: it measures.
        behaviour: How `benchmark_model` behaves, whatever binary was pushed; None: as the binary says.
        next_launches: How the next launches of `benchmark_model` behave, one after the other; None among
            them: as `behaviour` says.
        may_start: Whether it comes up again when it restarts.
        shell_log: All scripts that were run, in order.
    """

    def __init__(self, layout: Layout, folder: Path, *, stand_in: str) -> None:
        self.layout = layout
        self.conditions = Conditions()
        self.figures: Figures | None = None
        self.behaviour: Behaviour | None = None
        self.next_launches: list[Behaviour | None] = []
        self.may_start = True
        self.shell_log: list[str] = []
        self.cable = Cable(self.unplug)
        self._folder = PhoneFolder(folder, layout)
        self.root = self._folder.root
        self.faults = self._folder.faults
        self._launches = Launches(self.root, self._folder.state)
        self._watches = watching.Watches(self._folder.state)
        self._mark = uuid.uuid4().hex
        self._stand_in = stand_in
        self._agenda = Agenda()
        self._proc_lock = threading.Lock()
        self._apply_lock = threading.Lock()
        self._closed = threading.Event()
        self.apply()
        self._adbd = Adbd(self.cable, self._banner, self._knows, self._serve)
        self._adbd.listen()
        self._ticker = start_thread(self._tick)

    # What tests do to a phone.

    @property
    def serial(self) -> str:
        """The phone's name for adb, after `adb connect`."""
        return f"127.0.0.1:{self._adbd.port}"

    def unplug(self) -> None:
        """Pulls the cable: connections are lost, what runs on the phone goes on."""
        self._adbd.hang_up()

    def replug(self) -> None:
        """Puts the cable back; for adb the phone is there again after another `adb connect`."""
        self._adbd.listen()

    def freeze(self) -> None:
        """The phone hangs: still listed as a device, answers nothing."""
        self.cable.freeze()

    def thaw(self) -> None:
        """The phone answers again."""
        self.cable.thaw()

    def ask_for_key(self) -> None:
        """Computers that connect from now on are `unauthorized` until `accept_key`."""
        self._adbd.asks_for_key = True

    def accept_key(self) -> None:
        """The owner taps "allow USB debugging"."""
        self._adbd.accept_key()

    def reboot(self) -> None:
        """Restarts: connection and processes are lost, files stay, the uptime begins anew."""
        self._adbd.hang_up()
        self.kill_processes()
        (self._folder.state / "fixed_performance").unlink(missing_ok=True)
        self.conditions.booted_at_s = time.monotonic()
        self.when(lambda: self.may_start, self._adbd.listen)

    def throttle(self, *, clock_fraction: float = 0.6, thermal_status: int = 3) -> None:
        """Gets hot: clocks fall, the thermal status rises, inference takes longer."""

        self.conditions.cpu_celsius = 88.0
        self.conditions.skin_celsius = 46.0
        self.conditions.clock_fraction = clock_fraction
        self.conditions.thermal_status = thermal_status

    def cool(self) -> None:
        """Ends `throttle`."""
        fresh = Conditions()
        self.conditions.cpu_celsius = fresh.cpu_celsius
        self.conditions.skin_celsius = fresh.skin_celsius
        self.conditions.clock_fraction = fresh.clock_fraction
        self.conditions.thermal_status = fresh.thermal_status

    def at_launch(self, number: int, action: Callable[[], None]) -> None:
        """Does something when `benchmark_model` is launched for the `number`th time, counted from 1.

        The process waits until it is done.
        """
        self._agenda.at_launch(number, action)

    def in_launch(
        self, number: int, action: Callable[[], None], *, when: Callable[[], bool] = lambda: True
    ) -> None:
        """Does something in the middle of that launch, which goes on until it is done.

        Args:
            number: Of the launch, counted from 1.
            action: Runs once the launch was sampled, if anything samples it.
            when: Nor does it run before this holds.
        """
        self._agenda.in_launch(number, action, when)

    def when(self, condition: Callable[[], bool], action: Callable[[], None]) -> None:
        """Does something as soon as `condition` holds; before each script it is seen whether it does."""
        self._agenda.when(condition, action)

    def when_asked_again(self, action: Callable[[], None], *, times: int = 1) -> None:
        """Does something before so many further scripts have begun."""
        before = len(self.shell_log)
        self.when(lambda: len(self.shell_log) >= before + times, action)

    def fill_up(self, *, free_bytes: int = 0) -> None:
        """Leaves only so much space on /data."""
        self._folder.set_data_capacity(self._folder.used_data_bytes() + free_bytes)

    def remove_command(self, name: str) -> None:
        """Removes a program of the phone, such as `sha256sum` or `taskset`."""
        self._folder.remove_command(name)

    def replace_property_list(self, text: str) -> None:
        """From now on it is as if it were another phone: `getprop` prints this."""
        self._folder.show({"getprop.txt": text})

    def kill_processes(self) -> None:
        """Kills all that runs on the phone, and waits until it is gone."""
        while running := phone_processes.marked_pids(self._mark):
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(TICK_S / 10)

    # What tests ask of a phone.

    def processes(self) -> list[PhoneProcess]:
        """What runs on the phone, oldest first; the emulator's helpers are not among it."""
        processes = []
        for pid in phone_processes.marked_pids(self._mark):
            if argv := phone_processes.command_line(str(self.root), pid):
                processes.append(PhoneProcess(pid, argv[0].rpartition("/")[2], tuple(argv)))
        return processes

    def files(self, under: str = "/data/local/tmp") -> list[str]:
        """Paths of all files below a folder of the phone, sorted."""
        files = (path for path in self.host_path(under).rglob("*") if not path.is_dir())
        return sorted("/" + path.relative_to(self.root).as_posix() for path in files)

    def read_bytes(self, path: str) -> bytes:
        """Content of a file of the phone."""
        return self.host_path(path).read_bytes()

    @property
    def settings(self) -> dict[str, str]:
        """The global settings."""
        folder = self._folder.state / "settings/global"
        return {path.name: path.read_text().strip() for path in sorted(folder.iterdir())}

    @property
    def fixed_performance(self) -> bool:
        """Whether fixed-performance mode is on."""
        return (self._folder.state / "fixed_performance").exists()

    @property
    def pushed_bytes(self) -> int:
        """Bytes of files that have arrived by `adb push`."""
        return self.cable.pushed_bytes

    @property
    def property_readings(self) -> int:
        """How often `getprop` has listed all properties so far."""
        path = self._folder.state / "property_readings"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def launches(self) -> list[list[str]]:
        """Command lines with which `benchmark_model` was started so far."""
        return self._launches.command_lines()

    def wait_for(self, condition: Callable[[], bool], *, timeout_s: float = PATIENCE_S) -> bool:
        """Waits until `condition` holds; False when it does not in time."""
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(TICK_S)
        return True

    def close(self) -> None:
        """Ends everything that belongs to the phone."""
        self._closed.set()
        self.cable.bytes_per_second = None
        self.cable.thaw()
        self._adbd.hang_up()
        self._ticker.join()
        self.kill_processes()
        self._adbd.join()
        self._folder.unlock()

    # What the services ask of the phone.

    def host_path(self, device_path: str) -> Path:
        """Where the emulator keeps a file of the phone."""
        return self._folder.host_path(device_path)

    def refusal_to_write(self, device_path: str) -> int | None:
        """The error number with which the phone refuses to write there; None when it does not."""
        return self._folder.refusal_to_write(device_path)

    def free_data_bytes(self) -> int:
        """Bytes that still fit on /data."""
        return self._folder.free_data_bytes()

    def stored_mode(self, mode: int) -> int:
        """The permissions which a pushed file gets."""
        return mode & ~0o111 if self.faults.no_execution else mode

    def corrupted(self, data: bytes) -> bytes:
        """A block of a pushed file as it arrives."""
        if self.faults.corrupt_pushes <= 0 or not data:
            return data
        self.faults.corrupt_pushes -= 1
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 0x20]) + data[middle + 1 :]

    def before_shell(self) -> None:
        """Brings the files that show the phone's state up to date."""
        self._agenda.do_what_holds()
        self.apply()
        phone_conditions.write_uptime(self.conditions, self.root, self._folder.state)

    def shell_command(self, script: str) -> list[str]:
        """The argument list that runs a script; a superuser is held to the files' permissions."""
        command = [host_program("sh"), "-c", script, "/system/bin/sh"]
        if os.getuid() == 0 and (setpriv := shutil.which("setpriv")):
            return [setpriv, "--bounding-set", "-dac_override,-dac_read_search", *command]
        return command

    def shell_environment(self, script: str) -> dict[str, str]:
        """The environment of a script."""
        root = str(self.root)
        programs = f"{root}/system/bin"
        watch = self._watches.name(script)
        return {
            phone_processes.WATCH: watch,
            "ANDROID_DATA": f"{root}/data",
            "HOME": root,
            "LC_ALL": "C",
            "PATH": f"{self._watches.folder}:{programs}" if watch else programs,
            "TMPDIR": f"{root}/data/local/tmp",
            "EDGE_PHONE_HOST_CHMOD": host_program("chmod"),
            "EDGE_PHONE_HOST_SH": host_program("sh"),
            "EDGE_PHONE_REWRITE": shell_service.sed_rewriting(self.root),
            "EDGE_PHONE_SDK": str(self.layout.sdk),
            "EDGE_PHONE_STAND_IN": self._stand_in,
            phone_processes.CORES: str(len(self.layout.cores)),
            phone_processes.MARK: self._mark,
            phone_processes.ROOT: root,
            phone_processes.STATE: str(self._folder.state),
        }

    def register_process(self, pid: int) -> None:
        """Shows a shell in the phone's /proc."""
        cores = len(self.layout.cores)
        with self._proc_lock:
            phone_processes.show_process(str(self.root), pid, [], (1 << cores) - 1, cores, replace=False)

    def message_of_shell(self, line: bytes) -> bytes:
        """A line of the error stream as this phone writes it."""
        if self.layout.sdk >= 29 and line.startswith(b"/system/bin/sh: ") and line.endswith(b": not found\n"):
            line = line.replace(b": not found\n", b": inaccessible or not found\n")
        if self.faults.read_only:
            line = line.replace(b"Permission denied", b"Read-only file system")
        return line

    # How it works.

    def apply(self) -> None:
        """Makes what was assigned to `conditions`, `faults`, `figures` and so on take effect."""
        with self._apply_lock:
            files = phone_conditions.shown_files(
                self.conditions,
                self.layout,
                self._launches.busy_cpus(len(self.layout.cores)),
                fixed_performance=self.fixed_performance,
            )
            self._folder.show(files | self._launches.set_up(self.behaviour, self.figures))

    def _tick(self) -> None:
        while not self._closed.wait(TICK_S):
            asking = self._launches.asking()
            self._agenda.do_what_is_due(lambda: len(self.launches))
            self._forget_ended_processes()
            self.apply()
            for pid in asking:
                self._launches.answer(pid, self.next_launches.pop(0) if self.next_launches else None)
            for launch in self._launches.running():
                if self._launches.is_seen(launch) and self._agenda.do_what_is_due_in(launch.number):
                    self._launches.let_end(launch)

    def _forget_ended_processes(self) -> None:
        with self._proc_lock:
            for path in self.host_path("/proc").iterdir():
                if path.name.isdigit() and not phone_processes.is_running(int(path.name)):
                    self._launches.forget(int(path.name))
                    shutil.rmtree(path, ignore_errors=True)
        wake_up = self._folder.state / "wake_up"
        if wake_up.exists():
            wake_up.unlink()
            self.conditions.screen_on = True

    def _banner(self) -> str:
        features = ["cmd"]
        if self.faults.shell_v2:
            features.append("shell_v2")
        if self.layout.sdk >= 26:
            features += ["stat_v2", "fixed_push_mkdir"]
        if self.layout.sdk >= 30:
            features += ["ls_v2", "sendrecv_v2"]
        told = "".join(f"{name}={self.layout.properties.get(name, '')};" for name in _BANNER_PROPERTIES)
        return f"device::{told}features={','.join(features)}"

    def _knows(self, service: str) -> bool:
        kind = service.partition(":")[0].split(",")
        if "v2" in kind:
            return self.faults.shell_v2
        return kind[0] in ("shell", "exec", "sync", "reboot")

    def _serve(self, service: str, stream: Stream) -> None:
        kind = service.partition(":")[0].split(",")[0]
        if kind == "sync":
            sync_service.serve_sync(self, stream)
        elif kind in ("shell", "exec"):
            shell_service.serve_shell(self, stream, service, crlf=self.faults.crlf)
        elif kind == "reboot":
            self.when(lambda: stream.closed.is_set(), self.reboot)
        else:
            raise UnknownServiceError(service)
