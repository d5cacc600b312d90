"""Sessions of Google's Developer Device Platform, through `gcloud beta device-run`.

A session is one script on one phone: files go there with it, it runs alone, and a folder comes back by way of
Cloud Storage. Nobody can speak to the phone meanwhile. Sources: the platform's guides "Device Run for Android
executables" and "Find your test results", and the notebook `ddp_cli_benchmark.ipynb` of
google-ai-edge/litert-samples, all of autumn 2026.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core import process
from edge_mnv3.core.errors import (
    ArgumentError,
    CloudUnavailableError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    DeviceUnavailableError,
)
from edge_mnv3.core.outputs import write_text
from edge_mnv3.core.process import Completed

PREFIX = "ddp:"
_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CREATED = re.compile(r"Creating session \[([\w-]+)\]")
_FINISHED = re.compile(r"finished with result \[(\w+)\]")
_BUCKET = re.compile(r"storage/browser/([\w.-]+)/automation/sessions/")
_SESSIONS = ("beta", "device-run", "sessions")
_EVERYWHERE = ("--location=global", "--quiet")
_ANSWER_S = 120.0
_MOST_UNANSWERED = 20  # looks in a row: five minutes without a network are not the end of a session
_TRANSFER_S = 1800.0  # of models to the cloud, or of results from it
_UNSAFE = re.compile(r"[,=]")  # which gcloud's lists of files use themselves
# What gcloud prints where it refuses, and what to do.
_NEXT_STEPS = (
    (re.compile(r"Invalid choice", re.IGNORECASE), "run 'gcloud components update': this one is too old"),
    (re.compile(r"credential|auth login|reauthent|not logged in", re.IGNORECASE), "run 'gcloud auth login'"),
    (
        re.compile(r"SERVICE_DISABLED|has not been used in project", re.IGNORECASE),
        "run 'gcloud services enable devicerun.googleapis.com'",
    ),
    (re.compile(r"project", re.IGNORECASE), "run 'gcloud config set project PROJECT'"),
    (re.compile(r"device", re.IGNORECASE), "'gcloud beta device-run devices list' names the phones"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWaits:
    """How long a session is waited for.

    Attributes:
        poll_s: Time between looks.
        queue_s: Longest time in the queue, beside the time that the script may take.
    """

    poll_s: float = 15.0
    queue_s: float = 3600.0


def parse_model(serial: str) -> str:
    """Reads `ddp:MODEL`, such as `ddp:caiman-35`: the platform's name of a phone and its Android.

    Raises:
        ArgumentError: It is none.
    """
    model = serial.removeprefix(PREFIX)
    if not serial.startswith(PREFIX) or not _MODEL.fullmatch(model):
        raise ArgumentError("--device", repr(serial), "ddp:MODEL, such as ddp:caiman-35")
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The command line, and one kind of phone.

    Attributes:
        program: The `gcloud` binary.
        serial: `ddp:MODEL`.
        waits: How long sessions are waited for.
        stop: Ends the waiting when it is set; the session is cancelled then.
    """

    program: Path
    serial: str
    waits: CloudWaits
    stop: threading.Event

    def run(
        self, script: Path, files: Mapping[str, Path], pulled: str, *, limit_s: float, into: Path
    ) -> Path:
        """Runs a script on a phone, and brings a folder of the phone here.

        Args:
            script: What is run, with `sh`.
            files: Path on the phone to the file that is put there before.
            pulled: Folder on the phone that comes back.
            limit_s: Longest time that the script may take.
            into: Folder for what comes back.

        Returns:
            The folder of the session's results; `session.txt` there is what the platform says of it.

        Raises:
            DeviceUnavailableError: The platform refuses; the text says why.
            DeviceTimeoutError: The session did not end in time; the text says whether it could be cancelled.
            DeviceLostError: It ended, and nothing came back, or the platform tells nothing of it any more.
            OutputError: The folder cannot be written to.
            CloudUnavailableError: gcloud does not run.
            KeyboardInterrupt: `stop` was set; the session is cancelled.
        """
        session = self._submit(script, files, pulled, limit_s)
        try:
            told = self._wait(session, limit_s + self.waits.queue_s)
        except DeviceError as error:
            what, got, step = error.what, error.got, self._after_cancelling(session, error.next_step)
            raise type(error)(what, got, next_step=step) from error
        except BaseException:
            self._cancel(session)
            raise
        return self._download(session, told, into)

    def _submit(self, script: Path, files: Mapping[str, Path], pulled: str, limit_s: float) -> str:
        pushed = ",".join(f"{local}={remote}" for remote, local in files.items())
        if any(_UNSAFE.search(str(local)) for local in files.values()):
            raise ArgumentError("files for the cloud", pushed, "paths without comma and equals sign")
        done = self._call(
            *(*_SESSIONS, "submit", "android-executable", f"--device={parse_model(self.serial)}"),
            f"--executable={script}",
            *([f"--other-files-to-push={pushed}"] if pushed else []),
            f"--paths-to-pull={pulled}",
            f"--executable-timeout={-(-limit_s // 60):.0f}m",
            "--async",
            *_EVERYWHERE,
            timeout_s=_TRANSFER_S,
        )
        text = f"{done.stdout}\n{done.stderr}"
        created = _CREATED.search(text)
        if done.returncode == 0 and created:
            return created[1]
        if created:  # it may run all the same
            self._cancel(created[1])
        raise DeviceUnavailableError(
            f"device {self.serial}: no session",
            _last_line(text) or "no answer",
            "a session of the Developer Device Platform",
            _next_step(text),
        )

    def _cancel(self, session: str) -> bool:
        """Whether the platform says that the session is cancelled."""
        with contextlib.suppress(Exception):
            return self._call(*_SESSIONS, "cancel", session, *_EVERYWHERE).returncode == 0
        return False

    def _after_cancelling(self, session: str, step: str) -> str:
        if self._cancel(session):
            return "; ".join(filter(None, (step, "it was cancelled: try again, or another phone")))
        again = f"gcloud {' '.join(_SESSIONS)} cancel {session} {_EVERYWHERE[0]}"
        return "; ".join(filter(None, (step, f"it could not be cancelled and may go on: run '{again}'")))

    def _wait(self, session: str, limit_s: float) -> str:
        """Waits until a session has ended; returns what is said of it."""
        deadline = time.monotonic() + limit_s
        unanswered = 0
        while True:
            done = self._call(*_SESSIONS, "describe", session, *_EVERYWHERE)
            # The prose is on the error stream, the table of jobs is not.
            text = f"{done.stderr}\n{done.stdout}"
            if done.returncode == 0 and _FINISHED.search(text):
                return text
            unanswered = unanswered + 1 if done.returncode != 0 else 0
            if unanswered == _MOST_UNANSWERED:
                raise DeviceLostError(
                    f"device {self.serial}: session {session}",
                    _last_line(text) or "no answer",
                    next_step=_next_step(text),
                )
            if time.monotonic() >= deadline:
                raise DeviceTimeoutError(
                    f"device {self.serial}: session {session}", f"no end within {limit_s / 60:.0f} min"
                )
            if self.stop.wait(self.waits.poll_s):
                raise KeyboardInterrupt

    def _download(self, session: str, told: str, into: Path) -> Path:
        bucket, finished = _BUCKET.search(told), _FINISHED.search(told)
        result = finished[1] if finished else "unknown"
        if bucket is None:
            raise DeviceLostError(
                f"device {self.serial}: session {session}", f"result {result}, and no place of its files"
            )
        address = f"gs://{bucket[1]}/automation/sessions/{session}/"
        write_text(into / "session.txt", told, force=True)
        done = self._call("storage", "cp", "-r", address, str(into), "--quiet", timeout_s=_TRANSFER_S)
        if done.returncode != 0:
            raise DeviceLostError(
                f"device {self.serial}: session {session} ended with result {result}: download of {address}",
                _last_line(done.stderr) or "no answer",
            )
        return into

    def _call(self, *arguments: str, timeout_s: float = _ANSWER_S) -> Completed:
        try:
            return process.run([str(self.program), *arguments], timeout_s=timeout_s, stop=self.stop)
        except OSError as error:
            raise CloudUnavailableError(
                f"gcloud {self.program} does not run", error.strerror or str(error)
            ) from error


def find_gcloud() -> Path:
    """Finds the Google Cloud command line in `PATH`.

    Raises:
        CloudUnavailableError: There is none.
    """
    found = shutil.which("gcloud")
    if found is None:
        raise CloudUnavailableError(
            "gcloud was not found",
            "none in PATH",
            next_step="install the Google Cloud CLI and run 'gcloud components install beta'",
        )
    return Path(found).absolute()


def _next_step(text: str) -> str:
    """What to do about what gcloud prints."""
    return next((step for pattern, step in _NEXT_STEPS if pattern.search(text)), "")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [""])[-1].removeprefix("ERROR: ").rstrip(".")
