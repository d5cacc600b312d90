"""A stand-in for `gcloud beta device-run`: as the platform's guides say, with an emulated phone behind it.

Run as `python -I gcloud_stand_in.py FOLDER ARGUMENTS...`. FOLDER has the phone's `root` (a link), the
`socket` of its shell, what went wrong (`refuses`, `never`, `logged-out`, `loses`, `cuts`), and the `bucket`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BUCKET = "project-devicerun"
SHELL = Path(__file__).parent / "board_shell.py"


def main() -> int:
    """One call."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    words = [word for word in arguments if not word.startswith("-")]
    if words[:2] == ["storage", "cp"]:
        return _download(folder, words[2], Path(words[3]))
    verb = words[3] if words[:3] == ["beta", "device-run", "sessions"] else ""
    if verb == "submit" and words[4] == "android-executable":
        flags = dict(word[2:].partition("=")[::2] for word in arguments if word.startswith("--"))
        return _submit(folder, flags)
    if verb == "describe":
        return _describe(folder, words[4])
    if verb == "cancel":
        return _logged_out() if (folder / "logged-out").exists() else 0
    sys.stderr.write("ERROR: (gcloud) Invalid choice.\n")
    return 2


def _submit(folder: Path, flags: dict[str, str]) -> int:
    refusal = folder / "refuses"
    if refusal.exists():
        sys.stderr.write(f"ERROR: (gcloud.beta.device-run.sessions.submit) {refusal.read_text()}\n")
        return 1
    session = f"session-{len(list((folder / 'bucket').iterdir())):08x}"
    sys.stderr.write(f"Creating session [{session}]...done.\n")
    root = (folder / "root").resolve()
    for pair in flags["other-files-to-push"].split(","):
        source, target = pair.split("=")
        shutil.copyfile(source, root / target.lstrip("/"))
    program = f"/data/local/tmp/{Path(flags['executable']).name}"
    shutil.copyfile(flags["executable"], root / program.lstrip("/"))
    environment = {**os.environ, "SSH_ORIGINAL_COMMAND": f"exec sh {program}"}
    shell = [sys.executable, "-I", "-S", str(SHELL), str(folder / "socket")]
    done = subprocess.run(shell, env=environment, capture_output=True, check=False)
    results = folder / "bucket" / session / "job-000" / "execution-000"
    results.mkdir(parents=True)
    (results / "logcat.txt").write_bytes(done.stdout + done.stderr)
    for path in flags["paths-to-pull"].split(","):
        if not (folder / "loses").exists():
            shutil.copytree(root / path.lstrip("/"), results / "pulled" / Path(path).name)
    for file in results.rglob("01.out"):
        if (folder / "cuts").exists():
            file.write_bytes(file.read_bytes()[:-100])
    return 0


def _logged_out() -> int:
    sys.stderr.write("ERROR: (gcloud) Reauthentication failed. Please run: gcloud auth login\n")
    return 1


def _describe(folder: Path, session: str) -> int:
    if (folder / "logged-out").exists():
        return _logged_out()
    seen = folder / f"{session}.seen"
    first = not seen.exists()
    seen.touch()
    if first or (folder / "never").exists():
        sys.stderr.write(f"Session [{session}] is running.\nJob status: 0 of 1 finished\n")
        return 0
    where = f"https://console.cloud.google.com/storage/browser/{BUCKET}/automation/sessions/{session}/"
    sys.stderr.write(f"Session {session} finished with result [PASSED].\n")
    sys.stderr.write(f"Result files are stored at [{where}].\n")
    sys.stdout.write("JOB NAME  EXECUTION NAME  EXECUTION RESULT\njob-000   all             PASS\n")
    return 0


def _download(folder: Path, address: str, target: Path) -> int:
    session = address.removeprefix(f"gs://{BUCKET}/automation/sessions/").rstrip("/")
    source = folder / "bucket" / session
    if not session.startswith("session-") or not source.is_dir():
        sys.stderr.write(f"ERROR: (gcloud.storage.cp) The following URLs matched no objects: {address}\n")
        return 1
    shutil.copytree(source, target / session)
    return 0


sys.exit(main())
