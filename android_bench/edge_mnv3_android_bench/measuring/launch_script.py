"""The shell script of one launch, and what it prints.

One adb call does it all: it reads the device's state, starts `benchmark_model` in the background, samples
clocks, temperature and core mask until that ends, prints its exit code and both of its streams, and reads the
state again. The sampler keeps off the cores that are measured. It ends the program when its time is up, when
the connection breaks (its writing fails then) and when the shell that adb started is gone.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from edge_mnv3.core.results.bench import ClockSample
from edge_mnv3.core.results.device import DeviceState
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask, parse_cpu_mask
from edge_mnv3_android_bench.device.sections import HEADING, split_sections
from edge_mnv3_android_bench.device.state import STATE_SCRIPT, parse_device_state
from edge_mnv3_android_bench.measuring.process_tree import PROCESS_TREE
from edge_mnv3_android_bench.transport.files import LOCK, lock_guard

SAMPLE_INTERVAL_S = 0.25
OUTPUT_FILES = "run*.out run*.err run*.pid run*.pb"  # of all launches; release 0.1 had no names between
NO_FOLDER_EXIT_CODE = 125

_SCRIPT = """{state}
{tree}
cd {folder} || exit {no_folder}
{guard}
{pin_sampler}
echo; echo '{heading}run'
( exec {command} ) >{name}.out 2>{name}.err </dev/null &
p=$!
echo $p >{name}.pid
trap 'trap "" HUP INT TERM PIPE; kill -9 $(tree $p) 2>/dev/null; rm -f {files}; exit 129' HUP INT TERM PIPE
n=0; late=
while :
do
sleep {interval} || sleep 1
{{
u=-; read -r u x </proc/uptime
t=-; {read_temperature}
c=; for i in {cpus}
do v=-; read -r v </sys/devices/system/cpu/cpu$i/cpufreq/scaling_cur_freq; c="$c ${{v:--}}"
done
s=Z; a=-; while read -r k v x
do case $k in State:) s=$v;; Cpus_allowed:) a=$v; break;; esac
done </proc/$p/status
}} 2>/dev/null
case $s in Z|X) break;; esac
{beat}
echo "sample ${{u:--}} ${{t:--}} ${{a:--}}$c"
test -d /proc/$PPID || {{ kill -9 $(tree $p) 2>/dev/null; rm -f {files}; exit 129; }}
n=$((n+1))
if test $n -ge {limit}; then late=late; kill -9 $(tree $p) 2>/dev/null; break; fi
done
wait $p
r=$?
test -d {folder} || exit {no_folder}
{guard_after}
echo; echo '{heading}exit'; echo "$r $late"
echo; echo '{heading}stdout'; cat {name}.out
echo; echo '{heading}stderr'; cat {name}.err
echo; echo '{heading}result'; base64 {name}.pb 2>/dev/null
echo; echo '{heading}after'
rm -f {files}
{state}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchCommand:
    """What is to be run, and how.

    Attributes:
        folder: The tool's folder on the device.
        program: Path of `benchmark_model` on the device.
        flags: Its arguments.
        cpus: Cores to pin it to; empty for all.
        other_cpus: Cores for the sampler; empty where it has to share.
        temperature_file: File on the device with a temperature; None where there is none.
        limit_s: It is killed after so many seconds.
        watched: Cores whose clocks are sampled; empty for those of `cpus`.
        writes_result: It is asked for a result file too (`--result_file_path`), which is printed after it.
        lock_token: As in `DeviceFolder`: without the lock the script prints no result.
        environment: Variables that the program is given, `NAME=VALUE`.
    """

    folder: str
    program: str
    flags: tuple[str, ...]
    cpus: tuple[int, ...]
    other_cpus: tuple[int, ...]
    temperature_file: str | None
    limit_s: float
    lock_token: str = ""
    watched: tuple[int, ...] = ()
    writes_result: bool = False
    environment: tuple[str, ...] = ()

    @property
    def argv(self) -> list[str]:
        """The command line on the device."""
        given = ["env", *self.environment] if self.environment else []
        pinned = ["taskset", cpu_mask(self.cpus)] if self.cpus else []
        return [*given, *pinned, self.program, *self.flags]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOutput:
    """What the script of a launch printed.

    Attributes:
        before: The device before the launch.
        after: The device after it.
        stdout: The program's standard output.
        stderr: The program's standard error.
        exit_code: The program's exit code; None where it was killed because its time was up.
        samples: Clocks and temperature, sampled while it ran.
        masks: Core mask of the running program at each sample; None where it could not be read.
        result: The result file; None where there is none, or the device cannot print it.
    """

    before: DeviceState
    after: DeviceState
    stdout: str
    stderr: str
    exit_code: int | None
    samples: tuple[ClockSample, ...]
    masks: tuple[int | None, ...]
    result: bytes | None = None


def launch_script(command: LaunchCommand) -> str:
    """Writes the script; the files that it makes on the device have names that no other launch has."""
    name = f"run-{secrets.token_hex(4)}"
    files = f"{name}.out {name}.err {name}.pid {name}.pb"
    result_file = [f"--result_file_path={command.folder}/{name}.pb"] if command.writes_result else []
    guard = lock_guard(command.lock_token)
    temperature = f"read -r t <{shlex.quote(command.temperature_file)}" if command.temperature_file else ":"
    pin = f"taskset -p {cpu_mask(command.other_cpus)} $$ >/dev/null 2>&1" if command.other_cpus else ":"
    return _SCRIPT.format(
        state=STATE_SCRIPT,
        tree=PROCESS_TREE,
        folder=shlex.quote(command.folder),
        no_folder=NO_FOLDER_EXIT_CODE,
        name=name,
        files=files,
        guard=guard,
        guard_after=guard.replace("{ ", f"{{ rm -f {files}; ", 1),
        beat=f'echo "${{u:--}}" 2>/dev/null >{LOCK}/beat' if command.lock_token else ":",
        heading=HEADING,
        pin_sampler=pin,
        command=shlex.join([*command.argv, *result_file]),
        interval=SAMPLE_INTERVAL_S,
        read_temperature=temperature,
        cpus=" ".join(map(str, command.watched or command.cpus)),
        limit=max(1, round(command.limit_s / SAMPLE_INTERVAL_S)),
    )


def parse_launch_output(text: str, cpus: Sequence[int]) -> LaunchOutput | None:
    """Reads what the script printed; None where a part is missing.

    Args:
        text: Standard output of the whole script.
        cpus: Cores whose clocks were sampled, in that order.
    """
    before, ran, rest = text.partition(f"{HEADING}run\n")
    during, ended, after = rest.partition(f"\n{HEADING}after\n")
    sections = split_sections(f"{HEADING}samples\n{during}\n")
    code = re.match(r"(\d+) (late)?\n", sections.get("exit", ""))
    if not (ran and ended and code and {"stdout", "stderr"} <= sections.keys()):
        return None
    samples, masks = _parse_samples(sections["samples"], len(cpus))
    return LaunchOutput(
        before=parse_device_state(before),
        after=parse_device_state(after),
        stdout=sections["stdout"].removesuffix("\n"),
        stderr=sections["stderr"].removesuffix("\n"),
        exit_code=None if code[2] else int(code[1]),
        samples=samples,
        masks=masks,
        result=_result_file(sections.get("result", "")),
    )


def _result_file(text: str) -> bytes | None:
    """Reads what `base64` printed; damaged characters give a damaged file, which is refused."""
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4)) if compact else None
    except binascii.Error:
        return b""


def _parse_samples(text: str, cores: int) -> tuple[tuple[ClockSample, ...], tuple[int | None, ...]]:
    samples: list[ClockSample] = []
    masks: list[int | None] = []
    first_uptime_s: float | None = None
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] != "sample" or len(words) != 4 + cores:
            continue
        # Each sample comes at least one interval after the one before it, whatever the device's clock says.
        time_s = SAMPLE_INTERVAL_S * (len(samples) + 1)
        uptime_s = _number(words[1])
        if uptime_s is not None:
            first_uptime_s = uptime_s - SAMPLE_INTERVAL_S if first_uptime_s is None else first_uptime_s
            time_s = max(time_s, round(uptime_s - first_uptime_s, 2))
        samples.append(
            ClockSample(
                time_s=time_s,
                khz=tuple(int(word) if word.isdigit() else None for word in words[4:]),
                celsius=parse_celsius(words[2]),
            )
        )
        masks.append(parse_cpu_mask(words[3]) if re.fullmatch(r"[0-9a-fA-F,]+", words[3]) else None)
    # The last one may fall into the program's end, when it does not compute any more and clocks fall.
    kept = max(1, len(samples) - 1)
    return tuple(samples[:kept]), tuple(masks[:kept])


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def parse_celsius(text: str | None) -> float | None:
    """Reads a file with a temperature: thousandths of a degree; some drivers write tenths or whole ones."""
    value = _number(text.strip()) if text is not None else None
    if value is None:
        return None
    return value / 1000 if abs(value) >= 1000 else value / 10 if abs(value) >= 200 else value
