"""A fleet: each device is opened once, all are worked on at once, one that fails leaves the others alone."""

from __future__ import annotations

import threading

import pytest

from device.adb_servers import AdbServer
from device.bench_setup import STEADY, device_on, model_file
from device.command_setup import Bench, printed
from device.conftest import MakePhone
from device.phone import Phone
from device.stand_in_behaviour import Behaviour
from edge_mnv3.core.errors import DeviceUnavailableError
from edge_mnv3_android_bench.measuring.fleet import open_fleet
from edge_mnv3_android_bench.measuring.session import DeviceSession


@pytest.mark.any_adb
def test_a_whole_command_reads_once_what_a_device_is(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    model, other = model_file(bench.folder), bench.binary(Behaviour(at_most_runs=10_000), "other")
    done = bench.measure(
        phone,
        *(model, "--benchmark-binary", bench.binary(), "--benchmark-binary", other),
        *("--profile", "--check-outputs", "--json"),
    )
    assert done.exit_code == 0, done.output
    report = printed(done)
    assert [len(report[part]) for part in ("results", "profiles", "outputs")] == [2, 2, 2]
    assert phone.property_readings == 1


@pytest.mark.any_adb
def test_verifying_reads_once_what_a_device_is(bench: Bench, phone: Phone) -> None:
    (bench.folder / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    model = model_file(bench.folder)
    packaged = bench.run("package", model, "--labels", "labels.txt", "-o", "bundle")
    assert packaged.exit_code == 0, packaged.output
    done = bench.run("verify", "bundle", "--device", phone.serial, "--benchmark-binary", bench.binary())
    assert done.exit_code == 0, done.output
    assert phone.property_readings == 1


@pytest.mark.any_adb
def test_a_device_that_cannot_be_opened_is_a_failure(adb_server: AdbServer, make_phone: MakePhone) -> None:
    phones = [make_phone(), make_phone(), make_phone()]
    phones[1].faults.garbled_properties = True
    with open_fleet([device_on(adb_server, phone) for phone in phones]) as fleet:
        assert [session.serial for session in fleet.sessions] == [phones[0].serial, phones[2].serial]
        assert [session.info.sdk for session in fleet.sessions] == [33, 33]
    ((serial, error),) = fleet.failures
    assert serial == phones[1].serial
    assert isinstance(error, DeviceUnavailableError)


@pytest.mark.any_adb
def test_calls_run_at_once_and_their_errors_are_kept(adb_server: AdbServer, make_phone: MakePhone) -> None:
    phones = [make_phone(), make_phone()]
    meeting = threading.Barrier(2, timeout=60)
    with open_fleet([device_on(adb_server, phone) for phone in phones]) as fleet:

        def meet(session: DeviceSession) -> str:
            meeting.wait()
            if session.serial == phones[0].serial:
                raise DeviceUnavailableError("first", "broken")
            return session.serial

        assert fleet.on_each(meet) == [phones[1].serial]
        assert [serial for serial, _ in fleet.failures] == [phones[0].serial]
        # Work that went wrong is no reason to leave the device out; that is for the caller to say.
        assert fleet.on_each(lambda session: session.serial, fleet.sessions[:1]) == [phones[0].serial]
        fleet.leave_out(fleet.sessions[0], DeviceUnavailableError("first", "not needed"))
        assert fleet.on_each(lambda session: session.serial) == [phones[1].serial]
    assert [str(error) for _, error in fleet.failures] == ["first: got broken", "first: got not needed"]


@pytest.mark.any_adb
def test_ctrl_c_tells_the_devices_threads_and_waits_for_them(
    adb_server: AdbServer, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    begun = threading.Event()

    def ctrl_c(futures: object) -> None:
        assert begun.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_fleet([device_on(adb_server, phone)]) as fleet:
        monkeypatch.setattr("edge_mnv3_android_bench.measuring.fleet.wait", ctrl_c)

        def work(session: DeviceSession) -> None:
            begun.set()
            assert fleet.stop.wait(60)
            ended.append(session.serial)

        fleet.on_each(work)
    assert ended == [phone.serial]
