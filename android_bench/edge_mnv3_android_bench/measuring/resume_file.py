"""Finished launches on disk, so that a phone that is unplugged, or Ctrl-C, costs only the launch that runs.

One JSON object a line: the hash of the conditions, and the launch. A line that was cut is left out.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from edge_mnv3.core.errors import OutputError
from edge_mnv3.core.outputs import append_line
from edge_mnv3.core.results.bench import DeviceBenchConditions, LaunchRecord, flat_conditions
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.json_format import from_json, to_jsonable

FORMAT = Format("unfinished launches")
MAX_AGE_HOURS = 12  # a morning's launches and the afternoon's; not yesterday's phone
_NEW_IN_DEVICES = ("schema_version", "hardware_serial", "present_cpus", "system")


class ResumeFile:
    """Launches of an unfinished run; safe for several threads.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()

    def load(self, conditions: DeviceBenchConditions) -> list[LaunchRecord]:
        """Reads the launches that were made under these conditions, in order.

        Raises:
            OutputError: The file cannot be read.
        """
        keys = {conditions_key(conditions), _key_by_adb_name(conditions)}
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputError(f"resume file {self.path}: {error.strerror}") from error
        return [record for line in lines if (record := _parse(line, keys)) is not None]

    def append(self, conditions: DeviceBenchConditions, record: LaunchRecord) -> None:
        """Writes a launch; it is on the disk when this returns.

        Raises:
            OutputError: The file cannot be written.
        """
        entry = {
            "schema_version": FORMAT.version,
            "conditions": conditions_key(conditions),
            "launch": to_jsonable(record),
        }
        with self._writing:
            append_line(self.path, json.dumps(entry, allow_nan=False), name="resume file")

    def remove(self) -> None:
        """Removes the file: the run is finished."""
        self.path.unlink(missing_ok=True)


def split_by_age(
    records: Sequence[LaunchRecord], now: datetime
) -> tuple[list[LaunchRecord], list[LaunchRecord]]:
    """Tells launches that may go on from those that are too old: the phone has been used since.

    Args:
        records: Launches.
        now: The present time, with its zone.

    Returns:
        Those of the last `MAX_AGE_HOURS`, and the others.
    """
    young: list[LaunchRecord] = []
    old: list[LaunchRecord] = []
    for record in records:
        age = now - datetime.fromisoformat(record.started_at.replace("Z", "+00:00"))
        (young if age <= timedelta(hours=MAX_AGE_HOURS) else old).append(record)
    return young, old


def conditions_key(conditions: DeviceBenchConditions) -> str:
    """Hashes what must be equal for launches to belong together; a model may lie elsewhere by now.

    A device is known by its serial number, not by adb's name for it, which changes with the Wi-Fi port.
    """
    return _hash(conditions, conditions.device.identity)


def _key_by_adb_name(conditions: DeviceBenchConditions) -> str:
    """The key that earlier releases wrote: their files go on."""
    return _hash(conditions, conditions.device.serial)


def _hash(conditions: DeviceBenchConditions, serial: str) -> str:
    """Hashes conditions all on one level, without what earlier releases did not know."""
    flat = flat_conditions(to_jsonable(conditions))
    device = {key: value for key, value in flat["device"].items() if key not in _NEW_IN_DEVICES}
    essential = flat | {
        "device": device | {"serial": serial},
        "delegate": "",
        "binary_version": None,
        "model_path": "",
    }
    if essential["accelerator"] == "cpu":
        del essential["accelerator"], essential["libraries_sha256"]  # earlier releases knew no other
    return hashlib.sha256(json.dumps(essential, sort_keys=True).encode()).hexdigest()


def _parse(line: str, keys: set[str]) -> LaunchRecord | None:
    try:
        entry = json.loads(line)
        if entry["schema_version"] != FORMAT.version or entry["conditions"] not in keys:
            return None
        return from_json(LaunchRecord, json.dumps(entry["launch"]))
    except (ValueError, KeyError, TypeError):
        return None
