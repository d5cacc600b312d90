"""One user of a phone at a time: a lock on the phone itself, with its owner, their machine and its age.

Signs of life are counted in the phone's uptime. A lock is taken over, and that is said, when its owner's
process is known to be gone, when the phone was started anew since, or when it has been silent for
`STALE_AFTER_S`. Each script that measures proves before it begins and when it has ended that the lock is
still its own: without that it prints nothing that could pass for a result.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import platform
import re
import secrets
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.errors import DeviceUnavailableError, EdgeMnv3Error
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_android_bench.transport.device import file_error
from edge_mnv3_android_bench.transport.files import LOCK, DeviceFolder

STALE_AFTER_S = 600.0  # longer than any launch, cool-down or copy, each of which shows a sign of life
_WRITING_S = 0.3  # for an owner to say who it is, once it has the lock
_ATTEMPTS = 10
_HELD: set[str] = set()  # tokens of this process

_TAKE = f"""mkdir -p {{folder}} && cd {{folder}} || exit 1
if mkdir {LOCK} 2>/dev/null; then
read -r u x </proc/uptime
echo "$u" >{LOCK}/since && echo "$u" >{LOCK}/beat && echo {{holder}} >{LOCK}/holder || exit 1
echo {{token}} >{LOCK}/token || exit 1
echo taken; exit 0
fi
test -d {LOCK} || mkdir {LOCK} || exit 1
read -r u x </proc/uptime; echo "now $u"
for f in since beat holder token
do v=; read -r v <{LOCK}/$f && echo "$f $v"
done 2>/dev/null
exit 0
"""
# What was judged to be stale is moved away in one step, if it is still there.
_CLEAR = f"""cd {{folder}} || exit 1
t=; read -r t <{LOCK}/token
test "$t" = {{judged}} && mv {LOCK} .stale-{{token}} && rm -rf .stale-{{token}}
exit 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the lock of a phone.

    Attributes:
        token: Random name of this use; empty where it has not been written yet, or never was.
        owner: User and host, for people.
        machine: Hash that is equal for processes that see each other's numbers.
        pid: Number of the process there; None where unknown.
        started: When that process started, as its system counts; None where unknown.
        held_s: Seconds since the lock was taken; None where unknown.
        silent_s: Seconds since the last sign of life; 0 where one is being written just now.
        restarted: The phone was started anew since.
    """

    token: str
    owner: str
    machine: str
    pid: int | None
    started: int | None
    held_s: float | None
    silent_s: float
    restarted: bool

    def why_stale(self) -> str | None:
        """Says why the lock may be taken over; None where it may not."""
        alive = self._is_alive()
        if alive is False:
            return "its process is gone"
        if self.restarted:
            return "the phone was started anew since"
        if alive is None and self.silent_s > STALE_AFTER_S:
            return f"silent for {self.silent_s / 60:.0f} minutes"
        return None

    def _is_alive(self) -> bool | None:
        """Whether the owner's process runs; None where that cannot be told from here."""
        if self.machine != machine_id() or self.pid is None or os.name != "posix":
            return None
        if self.pid == os.getpid():
            return self.token in _HELD
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        started = process_start(self.pid)
        # A number is given again to another process, which then started at another time.
        return None if started is None or self.started is None else started == self.started

    def __str__(self) -> str:
        since = "" if self.held_s is None else f", for {_duration(self.held_s)}"
        process = "" if self.pid is None else f", process {self.pid}"
        return f"{self.owner or 'an unknown user'}{process}{since}"


def lock_phone(folder: DeviceFolder, reporter: Reporter = SILENT) -> DeviceFolder:
    """Takes the lock of a phone; `unlock_phone` gives it back.

    Args:
        folder: The tool's folder on the phone.
        reporter: Warned of a stale lock that is taken over.

    Returns:
        The same folder, whose scripts prove that they have the lock.

    Raises:
        DeviceUnavailableError: Somebody else is measuring on it; the text says who, and for how long.
        DeviceFileError: The folder cannot be written to.
        DeviceError: `Device.shell` failed.
    """
    token = secrets.token_hex(8)
    _HELD.add(token)  # before the phone knows it: another thread may look at once
    try:
        _lock(folder, token, reporter)
    except BaseException:
        _HELD.discard(token)
        raise
    return DeviceFolder(folder.device, folder.path, lock_token=token)


def _lock(folder: DeviceFolder, token: str, reporter: Reporter) -> None:
    written_by = _own_description()
    for attempt in range(_ATTEMPTS):
        holder = _take(folder, token, written_by)
        if holder is None:
            return
        if not holder.token and attempt < _ATTEMPTS // 2:
            time.sleep(_WRITING_S)
            continue
        reason = holder.why_stale() if holder.token else "its owner never said who it is"
        if reason is None:
            break
        reporter.warn(f"device {folder.device.serial}: the lock of {holder} is taken over: {reason}")
        script = _CLEAR.format(folder=shlex.quote(folder.path), judged=shlex.quote(holder.token), token=token)
        folder.device.shell(script)
    raise DeviceUnavailableError(
        f"device {folder.device.serial} is in use",
        str(holder),
        "a phone that nobody else measures on",
        "wait until that measurement is done, and give the command again",
    )


def unlock_phone(folder: DeviceFolder, *, reachable: bool = True) -> None:
    """Gives the lock back; one that is not ours any more is left alone.

    Where the phone does not answer it stays there, and is stale from now on for programs on this machine.

    Args:
        folder: What `lock_phone` returned.
        reachable: Whether to ask the phone at all.
    """
    _HELD.discard(folder.lock_token)
    if reachable:
        with contextlib.suppress(EdgeMnv3Error):
            folder.device.shell(release_script(folder))


def release_script(folder: DeviceFolder) -> str:
    """Returns a script that gives the lock back, if it is still ours."""
    token = folder.lock_token
    return f"""cd {shlex.quote(folder.path)} || exit 0
t=; read -r t <{LOCK}/token
test "$t" = {token} && mv {LOCK} .stale-{token} && rm -rf .stale-{token}
exit 0
"""


def parse_holder(text: str) -> Holder | None:
    """Reads who has the lock from what the script prints; None where it was taken by the script."""
    if re.search(r"^taken$", text, re.MULTILINE):
        return None
    values = dict(re.findall(r"^(now|since|beat|holder|token) (\S.*?)\s*$", text, re.MULTILINE))
    now_s, since_s, beat_s = (_seconds(values.get(name)) for name in ("now", "since", "beat"))
    try:
        told = json.loads(values.get("holder", "{}"))
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    pid, started = told.get("pid"), told.get("started")
    return Holder(
        token=values.get("token", ""),
        owner=str(told.get("owner", "")),
        machine=str(told.get("machine", "")),
        pid=pid if type(pid) is int else None,
        started=started if type(started) is int else None,
        held_s=_age(now_s, since_s),
        silent_s=_age(now_s, beat_s) or 0.0,
        restarted=now_s is not None and any(s is not None and now_s < s for s in (since_s, beat_s)),
    )


def machine_id() -> str:
    """Names this machine so that equal names mean that processes see each other's numbers."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        pass
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def process_start(pid: int) -> int | None:
    """When a process started, in the clock ticks of its system; None where that cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(fields.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _take(folder: DeviceFolder, token: str, holder: str) -> Holder | None:
    script = _TAKE.format(folder=shlex.quote(folder.path), holder=shlex.quote(holder), token=token)
    done = folder.device.shell(script)
    if done.exit_code != 0:
        text = " ".join((done.stdout + done.stderr).split())
        raise file_error(f"device {folder.device.serial}: folder {folder.path}", text)
    return parse_holder(done.stdout)


def _own_description() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this number, as in some containers
        user = "user"
    told = {
        "owner": f"{user}@{platform.node() or 'unknown host'}",
        "machine": machine_id(),
        "pid": os.getpid(),
        "started": process_start(os.getpid()),
    }
    return json.dumps(told)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d+(\.\d+)?", text) else None


def _age(now_s: float | None, then_s: float | None) -> float | None:
    return None if now_s is None or then_s is None or now_s < then_s else now_s - then_s


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
