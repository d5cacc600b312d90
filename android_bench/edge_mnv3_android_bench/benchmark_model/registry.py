"""TensorFlow Lite's `benchmark_model`: several builds under names, each known by its hash.

The official builds lie under a moving address without checksums. So what is used first is locked: its
SHA-256, and the flags and version that it reports on a device. Another file under the same name is refused
until it is accepted.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edge_mnv3.core.cache import cache_folder
from edge_mnv3.core.download import download
from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError, DownloadError, InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.outputs import staged, write_text
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.binaries import BenchmarkBinary, BinaryLock
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3_android_bench.benchmark_model.program_files import (
    BY_HAND,
    ELF_KINDS,
    check_elf,
    default_address,
)
from edge_mnv3_android_bench.transport.files import FILE_NAME

_LOCK_FILE = "lock.json"
_FLAG = re.compile(r"^\s*(--\w+=\S*)\s+(u?int\d*|float|double|bool|string)\b", re.MULTILINE)
_VERSION = re.compile(r"(?:TFLite|TensorFlow Lite|LiteRT)(?: runtime)? version:? *v?(\d+\.\d+[\w.+-]*)", re.I)


class BinaryRegistry:
    """The builds in the cache folder, and their lock file.

    Attributes:
        folder: Where they lie.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "benchmark_model"
        self._writing = threading.Lock()

    def register(self, name: str, abi: str, file: Path) -> BenchmarkBinary:
        """Takes a file into the registry; one that is in it already is left as it is.

        Raises:
            ArgumentError: The name or ABI cannot be used.
            InputFileError: The file cannot be read.
            BenchmarkBinaryError: It is neither a program for this ABI nor a script, or another one is locked
                under this name.
            OutputError: The cache cannot be written to.
        """
        self._check_names(name, abi)
        try:
            check_elf(file, abi, allow_script=True)
        except OSError as error:
            raise InputFileError(f"benchmark binary {file}", why_unreadable(file, error), "a file") from error
        with staged([self.pending_path(name, abi)], force=True) as (temporary,):
            shutil.copyfile(file, temporary)
        return self._settle(name, abi, str(file.absolute()))

    def fetch(
        self,
        name: str,
        abi: str,
        *,
        address: str | None = None,
        refresh: bool = False,
        reporter: Reporter = SILENT,
    ) -> BenchmarkBinary:
        """Returns a locked build, downloading it when it is not in the cache.

        Args:
            name: Name in the registry.
            abi: The device's ABI.
            address: Where to download from; None for where `default_address` says. What follows `#sha256=` is
                the SHA-256 that the file must have.
            refresh: Download even if it is here, to see whether the file at the address has changed.
            reporter: Told of the bytes done, of all bytes; of 0 where the server does not say how many.

        Raises:
            ArgumentError: The name cannot be used.
            BenchmarkBinaryError: No build is published for this ABI, or the file has changed.
            DownloadError: It cannot be downloaded whole, or is another file than the hash says.
            OutputError: The cache cannot be written to.
        """
        self._check_names(name, abi)
        if not refresh and self.path(name, abi).is_file():
            return self.get(name, abi)
        url, _, sha256 = (address or default_address(name, abi)).partition("#sha256=")
        pending = self.pending_path(name, abi)
        try:
            with staged([pending], force=True) as (temporary,):
                download(url, temporary, reporter, next_step=BY_HAND)
                check_elf(temporary, abi)
                _check_sha256(temporary, sha256)
        except BenchmarkBinaryError as error:
            raise DownloadError(f"download of {url}", error.got, error.expected, BY_HAND) from error
        return self._settle(name, abi, url)

    def get(self, name: str, abi: str) -> BenchmarkBinary:
        """Returns a locked build, its file compared with the lock.

        Raises:
            BenchmarkBinaryError: There is none, or the file is missing or has changed.
        """
        locked = self._find(name, abi)
        path = self.path(name, abi)
        if locked is None or not path.is_file():
            raise _missing(name, abi)
        sha256 = sha256_file(path)
        if sha256 != locked.sha256:
            raise _changed(locked, f"{path} with SHA-256 {sha256[:12]}…", f"remove {path} and fetch it again")
        return locked

    def for_device(self, name: str, abis: Sequence[str]) -> BenchmarkBinary:
        """Returns the locked build of a name for the first of a device's ABIs that there is one for.

        Raises:
            BenchmarkBinaryError: `get` failed.
        """
        locked_abis = {binary.abi for binary in self.read().binaries if binary.name == name}
        return self.get(name, next((abi for abi in abis if abi in locked_abis), abis[0]))

    def has(self, name: str, abis: Sequence[str]) -> bool:
        """Whether a build of this name is locked for one of a device's ABIs."""
        return any(binary.name == name and binary.abi in abis for binary in self.locked())

    def locked(self) -> tuple[BenchmarkBinary, ...]:
        """Returns all builds that are accepted, in the order of their acceptance."""
        return self.read().binaries

    def accept(self, name: str, abi: str) -> BenchmarkBinary:
        """Takes the change that was refused last: another file, or other flags of the same file.

        Raises:
            BenchmarkBinaryError: There is no such build.
            OutputError: The cache cannot be written to.
        """
        locked, refused = self._find(name, abi), _pick(self.read().refused, name, abi)
        if locked is None:
            raise _missing(name, abi)
        if refused is None or not self.pending_path(name, abi).is_file():
            refused = replace(locked, help_sha256=None, version=None)
        else:
            self.pending_path(name, abi).replace(self.path(name, abi))
        self._accept(refused)
        return refused

    def confirm(self, name: str, abi: str, *, help_text: str, log_text: str = "") -> BenchmarkBinary:
        """Compares what a build reports on a device with the lock, or locks it after its first run.

        Args:
            name: Name in the registry.
            abi: The device's ABI.
            help_text: What it prints for `--help`, both streams.
            log_text: What it prints at a run, for its version.

        Raises:
            BenchmarkBinaryError: There is none, it lists no flags, or it reports something else than before.
        """
        locked = self.get(name, abi)
        fingerprint = help_fingerprint(help_text)
        if fingerprint is None:
            first = (help_text.strip().splitlines() or ["nothing"])[0]
            raise BenchmarkBinaryError(f"benchmark binary '{name}' --help", first, "a list of flags")
        if locked.help_sha256 not in (None, fingerprint):
            raise _changed(locked, "other flags or defaults")
        version = reported_version(log_text) or locked.version
        if locked.version not in (None, version):
            raise _changed(locked, f"version {version}")
        confirmed = replace(locked, help_sha256=fingerprint, version=version)
        if confirmed != locked:
            self._change(lambda lock: replace(lock, binaries=_entered(lock.binaries, confirmed)))
        return confirmed

    def path(self, name: str, abi: str) -> Path:
        """Returns where the accepted file of a name lies."""
        return self.folder / abi / name / "benchmark_model"

    def pending_path(self, name: str, abi: str) -> Path:
        """Returns where a file waits that is not accepted yet."""
        return self.folder / abi / name / "benchmark_model.pending"

    def _settle(self, name: str, abi: str, source: str) -> BenchmarkBinary:
        """Accepts the pending file if it is the first or the locked one; else refuses it."""
        pending, locked = self.pending_path(name, abi), self._find(name, abi)
        binary = BenchmarkBinary(
            name=name,
            abi=abi,
            sha256=sha256_file(pending),
            size_bytes=pending.stat().st_size,
            source=source,
        )
        if locked is not None and binary.sha256 != locked.sha256:
            self._change(lambda lock: replace(lock, refused=_entered(lock.refused, binary)))
            raise _changed(locked, f"SHA-256 {binary.sha256[:12]}… from {source}")
        pending.replace(self.path(name, abi))
        self._accept(locked or binary)
        return locked or binary

    def _find(self, name: str, abi: str) -> BenchmarkBinary | None:
        return _pick(self.read().binaries, name, abi)

    def read(self) -> BinaryLock:
        """Reads the lock file.

        Raises:
            BenchmarkBinaryError: It is damaged.
        """
        path = self.folder / _LOCK_FILE
        if not path.is_file():
            return BinaryLock()
        try:
            return from_json(BinaryLock, path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BenchmarkBinaryError(
                f"lock file {path}", str(error), next_step=f"remove {self.folder} to begin anew"
            ) from error

    def _accept(self, binary: BenchmarkBinary) -> None:
        """Enters a build as accepted; none of its name waits to be accepted any more."""
        self._change(
            lambda lock: replace(
                lock,
                binaries=_entered(lock.binaries, binary),
                refused=tuple(other for other in lock.refused if not _same(other, binary)),
            )
        )

    def _change(self, change: Callable[[BinaryLock], BinaryLock]) -> None:
        """Rewrites the lock file where a change makes it another one."""
        with self._writing:
            before = self.read()
            after = change(before)
            if after != before:
                write_text(self.folder / _LOCK_FILE, to_json(after), force=True)

    def _check_names(self, name: str, abi: str) -> None:
        if not FILE_NAME.fullmatch(name):
            raise ArgumentError("name of a benchmark binary", repr(name), "letters, digits, '.', '-', '_'")
        if abi not in ELF_KINDS:
            raise ArgumentError("ABI of a benchmark binary", repr(abi), " or ".join(ELF_KINDS))


def _check_sha256(file: Path, wanted: str) -> None:
    got = sha256_file(file)
    if wanted and got != wanted.lower():
        raise BenchmarkBinaryError(f"benchmark binary {file}", f"SHA-256 {got}", wanted)


def help_fingerprint(text: str) -> str | None:
    """Returns a SHA-256 over the flags, defaults and types in a build's help; None if it lists none."""
    flags = sorted(set(_FLAG.findall(text)))
    if not flags:
        return None
    return hashlib.sha256("\n".join(" ".join(flag) for flag in flags).encode()).hexdigest()


def reported_version(text: str) -> str | None:
    """Finds the version of TFLite in what a build prints; most builds do not tell."""
    match = _VERSION.search(text)
    return match[1] if match else None


def _entered(binaries: Sequence[BenchmarkBinary], binary: BenchmarkBinary) -> tuple[BenchmarkBinary, ...]:
    """The builds with this one in place of the one of its name and ABI, if there is one, else at the end."""
    if not any(_same(other, binary) for other in binaries):
        return (*binaries, binary)
    return tuple(binary if _same(other, binary) else other for other in binaries)


def _same(one: BenchmarkBinary, other: BenchmarkBinary) -> bool:
    return (one.name, one.abi) == (other.name, other.abi)


def _pick(binaries: Sequence[BenchmarkBinary], name: str, abi: str) -> BenchmarkBinary | None:
    return next((binary for binary in binaries if (binary.name, binary.abi) == (name, abi)), None)


def _missing(name: str, abi: str) -> BenchmarkBinaryError:
    return BenchmarkBinaryError(
        f"benchmark binary '{name}' for {abi}",
        "none in the cache",
        next_step="see edge-mnv3 benchmark-binary --help, or give a file with --benchmark-binary",
    )


def _changed(locked: BenchmarkBinary, got: str, next_step: str = "") -> BenchmarkBinaryError:
    accept = f"if the change is wanted: edge-mnv3 benchmark-binary accept {locked.name} --abi {locked.abi}"
    return BenchmarkBinaryError(
        f"benchmark binary '{locked.name}' for {locked.abi} has changed",
        got,
        f"SHA-256 {locked.sha256[:12]}… as locked",
        next_step or accept,
    )
