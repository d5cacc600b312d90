"""A shell on the phone that puts it in order when this program is gone, killed or unplugged.

It waits for a line on its standard input, which this program holds open: the line says that all is in order.
An end without it comes of a kill, a crash or a broken connection. Then the shell ends what was left running,
removes what a launch left, restores the settings and gives the lock back, unless the lock is somebody else's
by now. It waits without computing anything. Android before 7 (no `shell_v2`) does not tell a shell that its
input has ended: there the next run puts the phone in order.
"""

from __future__ import annotations

import contextlib
import shlex

from edge_mnv3.core.process import Held
from edge_mnv3_android_bench.device.phone_lock import release_script
from edge_mnv3_android_bench.device.settings import restore_script
from edge_mnv3_android_bench.measuring.launch_script import OUTPUT_FILES
from edge_mnv3_android_bench.measuring.process_tree import PROCESS_TREE
from edge_mnv3_android_bench.transport.files import DeviceFolder, lock_guard

PROGRAM_PREFIX = "benchmark_model_"
CHECK_FILES = "check_input check_inputs check_output"  # what comparing outputs leaves
_DONE = "done"
_END_TIMEOUT_S = 5.0


class Guard:
    """The shell on one phone; it guards from the start on, until `end`."""

    def __init__(self, folder: DeviceFolder) -> None:
        """Starts it where the phone tells a shell that its input has ended.

        Args:
            folder: The tool's folder, with the lock.

        Raises:
            DeviceError: `Device.held_argv` failed.
        """
        self._held: Held | None = None
        argv = folder.device.held_argv(guard_script(folder))
        if argv is not None:
            with contextlib.suppress(OSError):  # then the next call of the client says so
                self._held = Held(argv)

    def end(self, *, reachable: bool = True) -> None:
        """Ends it: all is in order. A phone that does not answer is left to it."""
        held, self._held = self._held, None
        if held is not None:
            held.end(_DONE, timeout_s=_END_TIMEOUT_S if reachable else 0.0)


def guard_script(folder: DeviceFolder) -> str:
    """Writes the script."""
    path = shlex.quote(folder.path)
    # A process found by its number may be another one by now: its command line must name the folder.
    return f"""trap '' HUP PIPE
exec >/dev/null 2>&1
cd {path} || exit 0
x=; read -r x
test "$x" = {_DONE} && exit 0
{lock_guard(folder.lock_token)}
{PROCESS_TREE}
for q in $(for f in {PROGRAM_PREFIX}*; do pidof "$f"; done) $(cat run*.pid)
do case $(cat /proc/$q/cmdline) in *{path}*) kill -9 $(tree $q);; esac
done
rm -f {OUTPUT_FILES} {CHECK_FILES}
{restore_script()}
{release_script(folder)}"""
