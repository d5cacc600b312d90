"""`manifest.json` and `SHA256SUMS`: between them they cover every byte of a bundle."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

from edge_mnv3.core.errors import BundleError
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.package import BundleManifest, FileRecord

MANIFEST_FILE = "manifest.json"
SUMS_FILE = "SHA256SUMS"
# What packaging and verifying depend on.
PACKAGING_PACKAGES = ("edge-mnv3", "ai-edge-litert", "flatbuffers", "numpy", "pillow")


def seal(files: Mapping[str, bytes], manifest: BundleManifest) -> dict[str, bytes]:
    """Adds `manifest.json`, with the hashes of all files, and `SHA256SUMS`."""
    records = {
        name: FileRecord(size_bytes=len(content), sha256=_sha256(content))
        for name, content in sorted(files.items())
    }
    sealed = dict(files)
    sealed[MANIFEST_FILE] = to_json(dataclasses.replace(manifest, files=records)).encode()
    sealed[SUMS_FILE] = _sums(sealed)
    return sealed


def bundle_sha256(files: Mapping[str, bytes]) -> str | None:
    """Hash of `SHA256SUMS`, which stands for the whole bundle; None without that file."""
    return _sha256(files[SUMS_FILE]) if SUMS_FILE in files else None


def read_manifest(files: Mapping[str, bytes]) -> BundleManifest:
    """Reads the manifest of a bundle.

    Raises:
        BundleError: It is missing, or not what this program writes.
    """
    if MANIFEST_FILE not in files:
        raise BundleError(f"{MANIFEST_FILE} is missing")
    try:
        return from_json(BundleManifest, files[MANIFEST_FILE].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST_FILE} cannot be read: {error}") from error


def file_differences(files: Mapping[str, bytes], manifest: BundleManifest) -> list[str]:
    """Names every file that is missing, extra or altered."""
    differences = []
    for name, record in manifest.files.items():
        if name not in files:
            differences.append(f"{name} is missing")
        elif len(files[name]) != record.size_bytes:
            differences.append(f"{name} has {len(files[name])} bytes, {record.size_bytes} were packaged")
        elif _sha256(files[name]) != record.sha256:
            differences.append(f"{name} was altered: its SHA-256 is not that of the manifest")
    named = {*(labels.file for labels in manifest.labels), *manifest.golden.files}
    for model in manifest.models:
        named |= {model.file, *(name for output in model.outputs for name in output.golden)}
    differences += [f"{name} has no hash in the manifest" for name in sorted(named - manifest.files.keys())]
    extra = files.keys() - manifest.files.keys() - {MANIFEST_FILE, SUMS_FILE}
    differences += [f"{name} is no part of the bundle" for name in sorted(extra)]
    if SUMS_FILE not in files:
        differences.append(f"{SUMS_FILE} is missing")
    elif not differences and files[SUMS_FILE] != _sums(files):
        differences.append(f"{MANIFEST_FILE} or {SUMS_FILE} was altered: they do not agree")
    return differences


def _sums(files: Mapping[str, bytes]) -> bytes:
    """Writes the hashes in the form that `sha256sum -c` reads."""
    lines = [f"{_sha256(content)}  {name}\n" for name, content in sorted(files.items()) if name != SUMS_FILE]
    return "".join(lines).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
