"""What runs on a phone of the Developer Device Platform, and what comes back of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_mnv3.core.errors import DeviceFileError, DeviceLostError

FOLDER = "/data/local/tmp/edge-mnv3"
OUT = f"{FOLDER}/out"
_ARRIVAL = "/data/local/tmp/edge-mnv3."  # files are put beside the folder, which the script makes anew
_SIZE = re.compile(r"^\s*(\d+) (\S+)$", re.MULTILINE)
_HASH = re.compile(r"^([0-9a-f]{64})\s+(\S+)$", re.MULTILINE)

# Names of files have no characters that a shell reads.
_SCRIPT = """#!/system/bin/sh
rm -rf {folder}; mkdir -p {out} && cd {folder} || exit 1
for f in {names}
do mv {arrival}$f $f || exit 1
done
chmod 755 {programs}
sha256sum {names} >{out}/hashes
{body}
echo >{out}/end  # of two files or more wc prints the total
cd {out} && wc -c * >../sizes && mv ../sizes {token}.done
"""
_LAUNCHES = """read -r begun rest </proc/uptime; begun=${{begun%.*}}
for n in {numbers}
do
waited=0
while dumpsys thermalservice 2>/dev/null | grep -q 'Thermal Status: [1-6]'
do
read -r u rest </proc/uptime
test $((${{u%.*}} - begun)) -gt {budget_s} && break 2
test $waited -ge {cool_s} && break
sleep {poll_s}; waited=$((waited + {poll_s}))
done
read -r u rest </proc/uptime
test $((${{u%.*}} - begun)) -gt {budget_s} && break
date -u +%Y-%m-%dT%H:%M:%S+00:00 >out/$n.at
sh {folder}/launch-$n.sh >out/$n.out 2>out/$n.err </dev/null
echo $? >out/$n.code
read -r v rest </proc/uptime; echo "$u $v" >out/$n.uptime
done"""
_AWAKE = """kept=$(settings get global stay_on_while_plugged_in)
settings put global stay_on_while_plugged_in 7
{body}
case $kept in
null) settings delete global stay_on_while_plugged_in;;
*) settings put global stay_on_while_plugged_in "$kept";;
esac >/dev/null"""


def session_script(names: Sequence[str], programs: Sequence[str], body: str, token: str) -> str:
    """Writes the script of a session.

    Args:
        names: Files that are put on the phone, as `arrivals` says; the script runs in their folder.
        programs: Those among them that are run.
        body: What it does; it writes into the folder `out`.
        token: Name of the file that says that all is there.
    """
    return _SCRIPT.format(
        folder=FOLDER,
        out=OUT,
        arrival=_ARRIVAL,
        names=" ".join(names),
        programs=" ".join(programs),
        body=body,
        token=token,
    )


def arrivals(files: Mapping[str, Path]) -> dict[str, Path]:
    """Where files are put on the phone: path there to the file here."""
    return {f"{_ARRIVAL}{name}": file for name, file in files.items()}


def ask_script(programs: Sequence[str], flags: Sequence[str], asked: Mapping[str, str]) -> str:
    """Writes what asks a phone who it is, and builds what flags they know: `help-PROGRAM-FLAG.out`."""
    lines = [f"(\n{script}\n) >out/{name}.out 2>/dev/null" for name, script in asked.items()]
    lines += [
        f"{FOLDER}/{program} {shlex.quote(flag)} >out/help-{number}-{place}.out 2>&1 </dev/null"
        for number, program in enumerate(programs)
        for place, flag in enumerate(flags)
    ]
    return "\n".join(lines)


def launches_script(count: int, *, budget_s: float, cool_s: float, poll_s: float, stay_awake: bool) -> str:
    """Writes what runs `launch-01.sh` and so on, one after the other, each on a phone that is cool.

    Args:
        count: Number of launches.
        budget_s: After so many seconds none is begun any more.
        cool_s: Longest wait for a hot phone before each.
        poll_s: Time between looks at it.
        stay_awake: Keep the screen on meanwhile.
    """
    body = _LAUNCHES.format(
        numbers=" ".join(launch_name(number) for number in range(1, count + 1)),
        folder=FOLDER,
        cool_s=round(cool_s),
        poll_s=max(1, round(poll_s)),
        budget_s=round(budget_s),
    )
    return _AWAKE.format(body=body) if stay_awake else body


def launch_name(number: int) -> str:
    """Two digits, or more."""
    return f"{number:02d}"


_SEE = "see the logs in {}, and give the command again"


class Outputs:
    """Files that a session brought back: all of them, whole.

    Attributes:
        folder: Where they lie here.
        token: Name of the session, which no other one has.
    """

    def __init__(self, results: Path, token: str, sent: Mapping[str, str], *, serial: str) -> None:
        """Finds and checks them.

        Args:
            results: Folder of the session's results.
            token: As in `session_script`.
            sent: Files that were put on the phone: their names there, and their SHA-256 here.
            serial: Name of the phone for errors.

        Raises:
            DeviceLostError: The script did not come to its end, or a file is missing or cut.
            DeviceFileError: A file arrived on the phone otherwise than it is here.
        """
        name = f"device {serial}: session"
        done = next(results.rglob(f"{token}.done"), None)
        if done is None:
            raise DeviceLostError(
                name,
                "no sign that the script came to its end",
                next_step=_SEE.format(results),
            )
        self.folder, self.token = done.parent, token
        sizes = {file: int(size) for size, file in _SIZE.findall(done.read_text(encoding="utf-8"))}
        total = sizes.pop("total", None)
        if total != sum(sizes.values()):
            raise DeviceLostError(
                f"{name}: the list of its files", "a list that was cut", next_step=_SEE.format(results)
            )
        for file, size in sizes.items():
            path = self.folder / file
            if not path.is_file() or path.stat().st_size != size:
                got = f"{path.stat().st_size} bytes" if path.is_file() else "nothing"
                raise DeviceLostError(f"{name}: {file} came back cut", got, f"{size} bytes")
        arrived = {file: digest for digest, file in _HASH.findall(self.text("hashes"))}
        for file, sha256 in sent.items():
            if arrived.get(file) != sha256:
                raise DeviceFileError(f"{name}: {file}", "other content on the phone than here")

    def text(self, file: str) -> str:
        """A file's text; empty where there is none."""
        path = self.folder / file
        return path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
