"""Scripts of the tool that sample a launch, and the naps between their samples.

A phone starts a program at once, and a second there is a second of the program's. This computer may take its
time, so the phone's clock is its own: in a script that samples, `sleep` notes each nap and takes little time
for it, unless the program measures; and a nap lasts until the program has begun, or has failed to.
"""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

_NAP_S = "0.02"
_SAMPLES = re.compile(r'^echo "sample ', re.MULTILINE)
_SLEEP = """\
watch="$EDGE_PHONE_STATE/watches/$EDGE_PHONE_WATCH"
echo >>"$watch.naps"
if test -e "$EDGE_PHONE_STATE/figures.json"; then nap NAP_S; else nap "$1"; fi
until test -e "$watch.begun"; do
  read -r children </proc/$PPID/task/$PPID/children
  starting=
  for child in $children; do
    state=Z
    test $child = $$ || read -r number name state rest 2>/dev/null </proc/$child/stat
    case $state in Z|X) ;; *) starting=yes ;; esac
  done
  test "$starting" || exit 0
  nap 0.005
done
"""


class Watches:
    """Names of the scripts on one phone that sample a launch.

    Attributes:
        folder: To be searched for programs before the phone's own, by such a script.
    """

    def __init__(self, state: Path) -> None:
        self.folder = state / "watching"
        self.folder.mkdir()
        sleep = self.folder / "sleep"
        nap = f"nap() {{ {shutil.which('sleep')} $1; }}\n"
        sleep.write_text(f"#!{shutil.which('sh')}\n{nap}{_SLEEP.replace('NAP_S', _NAP_S)}")
        sleep.chmod(0o755)
        self._numbers = itertools.count(1)

    def name(self, script: str) -> str:
        """A new name for a script that samples; empty for others."""
        return str(next(self._numbers)) if _SAMPLES.search(script) else ""
