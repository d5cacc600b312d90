"""Settings that are changed on a device for a measurement, and restored whatever happens.

Before anything is changed, the values to restore are noted in a file on the device itself. If the phone is
unplugged or this program killed, the next run on it finds the note and restores them first.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from edge_mnv3.core.errors import DeviceError, DeviceFileError, DeviceLostError, DeviceUnavailableError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_android_bench.transport.device import Device, file_error
from edge_mnv3_android_bench.transport.files import DeviceFolder

RESTORE_NOTE = "settings_to_restore"
FIXED_PERFORMANCE_SDK = 30
_STAY_ON = "stay_on_while_plugged_in"
_STAY_ON_ALWAYS = "7"  # mains, USB and wireless power
_FIXED = "fixed_performance_mode"
_WITHOUT = {
    _STAY_ON: "keep the screen on by hand and give --no-stay-awake",
    _FIXED: "measure without --fixed-performance",
}
_UNSET = "null"  # what `settings get` prints for a setting without a value
_RECONNECT_S = 3.0


@contextmanager
def changed_settings(
    folder: DeviceFolder,
    *,
    fixed_performance: bool = False,
    stay_awake: bool = True,
    sdk: int | None,
    reporter: Reporter = SILENT,
) -> Iterator[None]:
    """Keeps the screen on while the device has power, for the time of the block.

    Args:
        folder: The tool's folder on the device, where the note is kept.
        fixed_performance: Hold clocks that the device can sustain. They are *lower* than its highest: for
            comparing two builds, not for figures that are published.
        stay_awake: Keep the screen on while the device has power; some makers refuse that to adb.
        sdk: The device's API level; None for a board without Android, which has none of these settings.
        reporter: Warned when the settings could not be restored now, or were from an earlier run.

    Raises:
        DeviceUnavailableError: The device has no fixed-performance mode.
        DeviceFileError: The note cannot be written.
        DeviceError: `Device.shell` failed.
    """
    if fixed_performance and (sdk is None or sdk < FIXED_PERFORMANCE_SDK):
        raise DeviceUnavailableError(
            f"device {folder.device.serial}: fixed-performance mode",
            "no Android" if sdk is None else f"API level {sdk}",
            f"{FIXED_PERFORMANCE_SDK} (Android 11) or later",
            "measure without --fixed-performance",
        )
    if sdk is None:
        yield
        return
    if restore_settings(folder):
        reporter.warn(f"device {folder.device.serial}: settings that an earlier run had left were restored")
    wanted = {_STAY_ON: _STAY_ON_ALWAYS} if stay_awake else {}
    if fixed_performance:
        wanted[_FIXED] = "true"
    original = _read(folder.device) if stay_awake else {_FIXED: "false"}
    changes = {name: value for name, value in wanted.items() if original[name] != value}
    if not changes:
        yield
        return
    before = {name: original[name] for name in changes}
    _write_note(folder, before)
    try:
        for name, value in changes.items():
            _apply(folder.device, name, value)
        yield
    finally:
        _restore_or_warn(folder, before, reporter)


def restore_settings(folder: DeviceFolder, before: Mapping[str, str] | None = None) -> bool:
    """Restores what the note on the device says, and removes it.

    Args:
        folder: The tool's folder.
        before: What to restore even if the note is gone, for instance with the whole folder.

    Returns:
        Whether there was a note.

    Raises:
        DeviceFileError: The device refused it.
        DeviceError: `Device.shell` failed.
    """
    note = folder.device.read_text(folder.file(RESTORE_NOTE))
    noted = re.findall(r"^(\w+)=(\w+)$", note or "", re.MULTILINE)
    for name, value in {**(before or {}), **dict(noted)}.items():
        _apply(folder.device, name, value)
    if note is None:
        return before is not None
    folder.remove(RESTORE_NOTE)
    return True


def restore_script() -> str:
    """Returns lines of a script in the tool's folder that do as `restore_settings`, on the device alone."""
    return f"""while IFS== read -r k v
do case $k in
{_FIXED}) cmd power set-fixed-performance-mode-enabled "$v";;
*) if test "$v" = {_UNSET}; then settings delete global "$k"; else settings put global "$k" "$v"; fi;;
esac
done <{RESTORE_NOTE}
rm -f {RESTORE_NOTE}"""


def _restore_or_warn(folder: DeviceFolder, before: Mapping[str, str], reporter: Reporter) -> None:
    """Restores; a connection that just broke gets a moment to come back. The block's error is kept."""
    for attempt in (1, 2):
        try:
            if not folder.is_lost():  # else they are somebody else's by now, who found the note
                restore_settings(folder, before)
            return
        except DeviceLostError as error:
            problem: DeviceError = error
            if attempt == 1:
                time.sleep(_RECONNECT_S)
        except DeviceError as error:
            problem = error
            break
    reporter.warn(f"settings are not restored, the next run on this device restores them: {problem}")


def _read(device: Device) -> dict[str, str]:
    done = device.shell(["settings", "get", "global", _STAY_ON])
    value = done.stdout.strip()
    if done.exit_code != 0 or not re.fullmatch(rf"\d+|{_UNSET}", value):
        raise DeviceFileError(
            f"device {device.serial}: setting {_STAY_ON}",
            value or done.stderr,
            "a number",
            _WITHOUT[_STAY_ON],
        )
    # Android tells nobody whether the fixed-performance mode is on; it is off unless a program set it.
    return {_STAY_ON: value, _FIXED: "false"}


def _apply(device: Device, name: str, value: str) -> None:
    if name == _FIXED:
        argv = ["cmd", "power", "set-fixed-performance-mode-enabled", value]
    elif value == _UNSET:
        argv = ["settings", "delete", "global", name]
    else:
        argv = ["settings", "put", "global", name, value]
    done = device.shell(argv)
    text = " ".join((done.stdout + done.stderr).split())
    if done.exit_code != 0 or "Failed to set" in text or "Exception" in text:
        raise DeviceFileError(
            f"device {device.serial}: setting {name} to {value}", text, next_step=_WITHOUT[name]
        )


def _write_note(folder: DeviceFolder, original: Mapping[str, str]) -> None:
    """Writes the note whole: to a temporary name, then renamed."""
    text = "\n".join(f"{name}={value}" for name, value in original.items())
    target = shlex.quote(folder.file(RESTORE_NOTE))
    done = folder.device.shell(
        f"mkdir -p {folder.path} && echo {shlex.quote(text)} >{target}.new && mv -f {target}.new {target}"
    )
    if done.exit_code != 0:
        raise file_error(f"device {folder.device.serial}: {target}", (done.stdout + done.stderr).strip())
