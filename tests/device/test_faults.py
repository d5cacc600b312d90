"""What goes wrong with phones, cables, files and programs, and what `edge-mnv3 bench --device` makes of it.

Each row of `FAULTS` is run through the command line, the real adb and an emulated phone. Whatever the fault:
the command ends soon, says what happened, gives no wrong figure, and leaves nothing running and nothing half
done on the phone, whose settings are restored. `docs/phone-faults.md` shows the same rows.

Faults of cables and of files, and any in which the phone is lost, are tried under each adb: they are about
its messages and protocols. Of all others the commands know by the outputs and exit codes of `adb shell`,
which test_transport.py compares under each adb.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from device.bench_setup import FOLDER, STEADY, model_file
from device.command_setup import Bench, assert_clean, printed
from device.conftest import MakePhone
from device.fault_setups import DONE, MEDIAN_US, Fault, Stage
from device.faults import CABLE, FAULTS, FILES
from device.patience import let_time_fly_while_frozen
from hanging import HANGS_AFTER_S

OF_ADB = [
    fault for fault in FAULTS if fault.kind in (CABLE, FILES) or not (fault.reachable and fault.connected)
]
OF_ANY_ADB = [fault for fault in FAULTS if fault not in OF_ADB]


@pytest.mark.timeout(HANGS_AFTER_S)
@pytest.mark.parametrize("fault", OF_ADB, ids=lambda fault: fault.what)
def test_fault_of_adb(
    fault: Fault, bench: Bench, make_phone: MakePhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    _try(fault, bench, make_phone, monkeypatch)


@pytest.mark.any_adb
@pytest.mark.timeout(HANGS_AFTER_S)
@pytest.mark.parametrize("fault", OF_ANY_ADB, ids=lambda fault: fault.what)
def test_fault(fault: Fault, bench: Bench, make_phone: MakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    _try(fault, bench, make_phone, monkeypatch)


def _try(fault: Fault, bench: Bench, make_phone: MakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = make_phone(connected=fault.connected)
    phone.figures = STEADY
    let_time_fly_while_frozen(monkeypatch, phone)
    stage = Stage(bench, phone, model_file(bench.folder), bench.binary(), monkeypatch)
    more = fault.arrange(stage) or ()
    usual = (stage.model, "--benchmark-binary", stage.binary, "--launches", "1", "--max-secs", "1", "--json")
    own_binary = "--benchmark-binary" in more
    command = (*([stage.model, "--json"] if own_binary else usual), *more)
    done = bench.measure(phone, *command, to_quote=fault.to_quote)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == fault.code, done.output
    assert all(text in done.output for text in (fault.says, *fault.says_too)), done.output
    figures = [result["median_us"] for result in printed(done)["results"]] if done.stdout else []
    assert figures == [MEDIAN_US] if fault.code == DONE else not any(figures)
    assert fault.measured or not any("--graph" in word for launch in phone.launches for word in launch)
    if fault.locked:
        assert phone.read_bytes(f"{FOLDER}/lock/token") in (b"c0ffee\n", b"another\n")
    elif fault.reachable:
        assert_clean(phone)
    else:
        _assert_that_it_goes_on(fault, stage, command)


def _assert_that_it_goes_on(fault: Fault, stage: Stage, command: tuple[str | Path, ...]) -> None:
    """Once the phone is there again, the same command gives the figure and clears what was left."""
    phone, server = stage.phone, stage.bench.server
    phone.cable.cut_after_push_bytes = phone.cable.cut_after_shell_bytes = None
    phone.accept_key()
    phone.thaw()
    phone.replug()
    server.disconnect(phone.serial)
    assert phone.wait_for(
        lambda: not phone.processes(),
    ), phone.processes()
    server.reach(phone.serial)
    again = stage.bench.measure(phone, *command)
    assert again.exit_code == DONE, again.output
    assert [result["median_us"] for result in printed(again)["results"]] == [MEDIAN_US]
    assert_clean(phone)
