"""The programs in the phone's /system/bin: which there are on which Android, and how they are emulated.

Most are this computer's, under the same name. Those that ask Android's services read and write files in
the emulator's state folder, so that no process has to answer.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

# In toybox since Android 7; the shell itself has cd, echo, kill, printf, test, true, wait and so on.
# fmt: off
_SINCE_7 = (
    "base64", "basename", "cat", "cmp", "comm", "cp", "cut", "date", "dd", "dirname", "du", "env",
    "expand", "expr", "false", "find", "flock", "free", "grep", "head", "ln", "ls", "md5sum", "mkdir",
    "mktemp", "more", "mv", "nice", "nl", "nohup", "od", "paste", "printenv", "printf", "pwd",
    "readlink", "realpath", "rm", "rmdir", "sed", "seq", "setsid", "sha1sum", "sleep", "sort", "split",
    "stat", "strings", "tac", "tail", "tar", "tee", "time", "timeout", "touch", "tr", "true",
    "truncate", "uniq", "wc", "xargs", "yes",
)
# fmt: on
_LATER = {"diff": 26, "file": 26, "sha256sum": 26, "sha512sum": 26, "gzip": 26, "awk": 28, "getconf": 29}
_PYTHON_TOOLS = ("df", "pgrep", "pidof", "pkill", "ps", "taskset")

_CHMOD = """\
if [ -e "$EDGE_PHONE_STATE/read_only" ]; then
  for file; do :; done
  echo "chmod: chmod '$file': Read-only file system" >&2
  exit 1
fi
"$EDGE_PHONE_HOST_CHMOD" "$@" || exit
if [ -e "$EDGE_PHONE_STATE/no_execution" ]; then
  for file; do
    if [ -f "$file" ]; then "$EDGE_PHONE_HOST_CHMOD" a-x "$file"; fi
  done
fi
exit 0
"""
_GETPROP = """\
if [ $# -eq 0 ]; then
  echo all >>"$EDGE_PHONE_STATE/property_readings"
  exec cat "$EDGE_PHONE_STATE/getprop.txt"
fi
value=$(sed -n "s/^\\[$1\\]: \\[\\(.*\\)\\]\\$/\\1/p" "$EDGE_PHONE_STATE/getprop.txt")
echo "${value:-$2}"
"""
_DUMPSYS = """\
if [ $# -eq 0 ] || [ "$1" = -l ]; then
  echo "Currently running services:"
  for file in "$EDGE_PHONE_STATE"/dumpsys/*; do echo "  ${file##*/}"; done
elif [ -f "$EDGE_PHONE_STATE/dumpsys/$1" ]; then
  exec cat "$EDGE_PHONE_STATE/dumpsys/$1"
else
  echo "Can't find service: $1" >&2
fi
"""
_SETTINGS = """\
folder="$EDGE_PHONE_STATE/settings/$2"
case "$2" in global|system|secure) ;; *) echo "Invalid namespace '$2'" >&2; exit 255 ;; esac
case "$1" in
  get) if [ -f "$folder/$3" ]; then cat "$folder/$3"; else echo null; fi ;;
  put) printf '%s\\n' "$4" > "$folder/$3" ;;
  delete)
    count=0
    if [ -f "$folder/$3" ]; then count=1; rm "$folder/$3"; fi
    echo "Deleted $count rows" ;;
  list) for file in "$folder"/*; do [ -f "$file" ] && echo "${file##*/}=$(cat "$file")"; done ;;
  *) echo "Invalid command: $1" >&2; exit 255 ;;
esac
"""
_SVC = """\
case "$1 $2 $3" in
  "power stayon true") value=7 ;;
  "power stayon false") value=0 ;;
  "power stayon ac") value=1 ;;
  "power stayon usb") value=2 ;;
  "power stayon wireless") value=4 ;;
  *) echo "usage: svc power stayon [true|false|usb|ac|wireless]" >&2; exit 1 ;;
esac
echo $value > "$EDGE_PHONE_STATE/settings/global/stay_on_while_plugged_in"
"""
_CMD = """\
case "$1 $2" in
  "power set-fixed-performance-mode-enabled")
    if [ "$EDGE_PHONE_SDK" -lt 30 ]; then
      echo "Unknown command: $2" >&2
      exit 255
    elif [ "$3" = true ]; then
      : > "$EDGE_PHONE_STATE/fixed_performance"
    else
      rm -f "$EDGE_PHONE_STATE/fixed_performance"
    fi ;;
  "power "*) echo "Unknown command: $2" >&2; exit 255 ;;
  *) echo "cmd: Can't find service: $1" >&2; exit 20 ;;
esac
"""
_INPUT = 'case "$*" in "keyevent KEYCODE_WAKEUP"|"keyevent 224") : > "$EDGE_PHONE_STATE/wake_up" ;; esac\n'
_UNAME = """\
case "$1" in
  -a) echo "Linux localhost 5.10.0-emulated #1 SMP PREEMPT aarch64" ;;
  -m) echo aarch64 ;;
  -r) echo 5.10.0-emulated ;;
  *) echo Linux ;;
esac
"""
_SH = """\
if [ "$1" = -c ]; then
  shift
  script=$1
  shift
  exec "$EDGE_PHONE_HOST_SH" -c "$script" "${@:-/system/bin/sh}"
elif [ -f "$1" ]; then
  file=$1
  shift
  if grep -q '^echo "sample ' "$file"; then
    export EDGE_PHONE_WATCH="file$$" PATH="$EDGE_PHONE_STATE/watching:$PATH"
  fi
  exec "$EDGE_PHONE_HOST_SH" -c "$(sed -E "$EDGE_PHONE_REWRITE" "$file")" "$file" "$@"
fi
exec "$EDGE_PHONE_HOST_SH" "$@"
"""
_SCRIPTS = {
    "chmod": _CHMOD,
    "cmd": _CMD,
    "dumpsys": _DUMPSYS,
    "getprop": _GETPROP,
    "id": 'echo "uid=2000(shell) gid=2000(shell)"\n',
    "input": _INPUT,
    "settings": _SETTINGS,
    "sh": _SH,
    "svc": _SVC,
    "uname": _UNAME,
    "whoami": "echo shell\n",
}


def install_commands(folder: Path, sdk: int) -> None:
    """Fills the phone's /system/bin with the programs that Android's API level `sdk` has."""
    folder.mkdir(parents=True)
    names = [*_SINCE_7, *(name for name, since in _LATER.items() if sdk >= since)]
    for name in names:
        if program := shutil.which(name):
            (folder / name).symlink_to(program)
    for name, script in _SCRIPTS.items():
        _install(folder / name, script)
    tests = Path(__file__).parent.parent
    start = f"import sys; sys.path.insert(0, {str(tests)!r}); from device.phone_tools import main; main()"
    for name in _PYTHON_TOOLS:
        _install(folder / name, f'exec "{sys.executable}" -I -S -c "{start}" {name} "$@"\n')


def host_program(name: str) -> str:
    """Where this computer keeps a program.

    Raises:
        FileNotFoundError: It has none.
    """
    program = shutil.which(name)
    if program is None:
        raise FileNotFoundError(name)
    return program


def _install(path: Path, script: str) -> None:
    path.write_text(f"#!{host_program('sh')}\n{script}")
    path.chmod(0o755)
