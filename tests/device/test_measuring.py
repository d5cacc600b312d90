"""Measuring on emulated phones through the real adb: figures, faults, what is left behind."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import pytest

from device.adb_servers import AdbServer
from device.bench_setup import (
    FOLDER,
    QUICK,
    STEADY,
    device_on,
    measure,
    model_file,
    quick_plan,
    registry_with,
)
from device.conftest import MakePhone
from device.patience import let_time_fly_while_frozen
from device.phone import Phone
from device.stand_in_behaviour import Behaviour
from edge_mnv3.core.errors import BenchmarkBinaryError, DeviceLostError, DeviceTimeoutError, EdgeMnv3Error
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.device import settings as device_settings
from edge_mnv3_android_bench.measuring.fleet import open_fleet
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.protocols import custom_protocol
from edge_mnv3_android_bench.measuring.runs import measure_fleet
from hanging import HANGS_AFTER_S
from recording_reporter import RecordingReporter


@pytest.fixture
def registry(tmp_path: Path) -> BinaryRegistry:
    return registry_with(tmp_path)


def measure_one(
    server: AdbServer, phone: Phone, wanted: MeasurementPlan, registry: BinaryRegistry
) -> DeviceBenchResult:
    measured = measure([device_on(server, phone)], wanted, registry)
    assert not measured.failures
    assert len(measured.results) == 1
    return measured.results[0]


def failure_of(
    server: AdbServer, phone: Phone, wanted: MeasurementPlan, registry: BinaryRegistry
) -> EdgeMnv3Error:
    measured = measure([device_on(server, phone)], wanted, registry)
    assert len(measured.failures) == 1
    assert measured.failures[0][0] == phone.serial
    return measured.failures[0][1]


def assert_clean(phone: Phone) -> None:
    """Nothing runs, no file of a launch is left, settings are restored."""
    assert phone.wait_for(lambda: not phone.processes()), phone.processes()
    names = {path.removeprefix(f"{FOLDER}/") for path in phone.files()}
    assert not {name for name in names if name.startswith(("run.", ".push-", "settings_"))}, names
    assert phone.settings["stay_on_while_plugged_in"] == "0"


def test_a_figure_with_its_conditions(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, registry: BinaryRegistry
) -> None:
    phone.figures = STEADY
    result = measure_one(adb_server, phone, quick_plan(tmp_path, model_file(tmp_path)), registry)
    assert (result.median_us, result.statistic, result.stable) == (20_000.0, "median", True)
    assert (result.ci95_us, result.coefficient_of_variation_percent) == (None, 0.0)
    assert [launch.number for launch in result.launches] == [1, 2]
    assert all(launch.mask_verified and not launch.problems for launch in result.launches)
    conditions = result.conditions
    assert (conditions.cpus, conditions.cpu_mask) == ((4, 5, 6, 7), "f0")
    assert (conditions.protocol.kernels, conditions.protocol.num_threads) == ("builtin", 1)
    assert (conditions.protocol.name, conditions.protocol.num_runs) == ("custom", 10)
    assert (conditions.device.model, conditions.device.sdk) == ("Generic Phone", 33)
    assert any("emulated device, not a phone" in warning for warning in result.warnings)
    sample = result.launches[0].samples[-1]
    assert (sample.khz, sample.celsius) == ((2_400_000,) * 4, 42.0)
    assert all("Inference timings in us" in Path(launch.log_path).read_text() for launch in result.launches)
    assert not (tmp_path / "resume.jsonl").exists()
    assert_clean(phone)
    words = phone.launches[-1]
    assert "--use_xnnpack=false" in words
    assert "--num_threads=1" in words


def test_a_second_run_pushes_nothing(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, registry: BinaryRegistry
) -> None:
    phone.figures = STEADY
    wanted = quick_plan(tmp_path, model_file(tmp_path))
    measure_one(adb_server, phone, wanted, registry)
    pushed_bytes = phone.pushed_bytes
    assert pushed_bytes > 0
    measure_one(adb_server, phone, wanted, registry)
    assert phone.pushed_bytes == pushed_bytes


@pytest.mark.any_adb
def test_models_and_builds_take_turns(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    phone.figures = STEADY
    registry = registry_with(tmp_path, current=Behaviour(), era_2019=Behaviour(build="1.13"))
    wanted = quick_plan(tmp_path, model_file(tmp_path), binaries=("era-2019", "current"))
    reporter = RecordingReporter()
    measured = measure([device_on(adb_server, phone)], wanted, registry, reporter)
    measuring = [words for words in phone.launches if any(word.startswith("--graph=") for word in words)]
    order = [next(word for word in words if "benchmark_model_" in word) for words in measuring]
    builds = [f"{FOLDER}/benchmark_model_{name}" for name in ("era-2019", "current")]
    assert order == [*builds, *reversed(builds)]
    assert reporter.done_and_total == [(done, 4) for done in (1, 2, 3, 4)]
    assert [result.conditions.binary.name for result in measured.results] == ["era-2019", "current"]
    assert [result.statistic for result in measured.results] == ["avg", "median"]
    assert all(result.stable for result in measured.results)


@pytest.mark.any_adb
def test_heat_in_the_middle_is_waited_for(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, registry: BinaryRegistry
) -> None:
    phone.figures = STEADY

    def heat() -> None:
        phone.throttle(clock_fraction=0.6)
        phone.when_asked_again(phone.cool, times=3)

    phone.at_launch(3, heat)  # the first one is --help
    result = measure_one(adb_server, phone, quick_plan(tmp_path, model_file(tmp_path)), registry)
    first, hot, third = result.launches
    assert not first.problems
    assert not third.problems
    assert "thermal status 3 after it, 0 is demanded" in hot.problems
    assert any("core 4 ran at 1440 of 2400 MHz" in problem for problem in hot.problems)
    assert result.median_us == 20_000.0  # not one of the hot launch
    asked = [script for script in phone.shell_log if "dumpsys thermalservice" in script]
    assert len(asked) == 1 + 3 + 3  # before the first launch, in each, and until it was cool again
    assert_clean(phone)


@pytest.mark.any_adb
def test_a_phone_that_stays_hot_gives_no_figure(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, registry: BinaryRegistry
) -> None:
    phone.figures = STEADY
    phone.throttle(clock_fraction=0.6)
    wanted = quick_plan(tmp_path, model_file(tmp_path), protocol=custom_protocol(QUICK, launches=1))
    result = measure_one(adb_server, phone, wanted, registry)
    assert (result.median_us, result.stable) == (None, False)
    assert len(result.launches) == 2  # twice as many as demanded, then it is given up
    assert "0 launches count, 1 are demanded" in result.problems[0]


@pytest.mark.any_adb
def test_the_mask_is_verified(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, registry: BinaryRegistry
) -> None:
    phone.figures = STEADY
    phone.faults.taskset_ignored = True
    wanted = quick_plan(tmp_path, model_file(tmp_path), protocol=custom_protocol(QUICK, launches=1))
    result = measure_one(adb_server, phone, wanted, registry)
    assert result.median_us is None
    assert "the core mask of the running program was not seen" in result.launches[0].problems


@pytest.mark.any_adb
@pytest.mark.parametrize("fault", ["abort", "segfault", "kill"])
def test_a_program_that_dies_is_given_up_soon(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, fault: str
) -> None:
    phone.figures = STEADY
    registry = registry_with(tmp_path, current=Behaviour(fault=fault))  # type: ignore[arg-type]
    result = measure_one(adb_server, phone, quick_plan(tmp_path, model_file(tmp_path)), registry)
    assert result.median_us is None
    assert len(result.launches) == 3  # each failed in the same way
    name = {"abort": "SIGABRT", "segfault": "SIGSEGV", "kill": "SIGKILL"}[fault]
    assert f"death by {name}" in result.launches[0].problems[0]
    assert_clean(phone)


@pytest.mark.timeout(HANGS_AFTER_S)
def test_a_program_that_hangs_is_killed(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_mnv3_android_bench.measuring.session.LOADING_ALLOWANCE_S", 0.5)
    phone.figures = STEADY
    registry = registry_with(tmp_path, current=Behaviour(fault="hang"))
    quick = custom_protocol(QUICK, max_secs=0.7, launches=1)
    wanted = quick_plan(tmp_path, model_file(tmp_path), protocol=quick)
    result = measure_one(adb_server, phone, wanted, registry)
    assert result.median_us is None
    assert result.launches[0].problems == ("it did not end within 1.2 s and was killed",)
    assert_clean(phone)
    assert "STARTING!" in Path(result.launches[0].log_path).read_text()


def test_unplugged_in_a_launch_the_run_goes_on_later(
    adb_server: AdbServer,
    phone: Phone,
    tmp_path: Path,
    registry: BinaryRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_settings, "_RECONNECT_S", 0.0)
    phone.figures = STEADY
    phone.in_launch(3, phone.unplug)  # the first one is --help
    wanted = quick_plan(tmp_path, model_file(tmp_path))
    error = failure_of(adb_server, phone, wanted, registry)
    assert isinstance(error, DeviceLostError)
    assert phone.wait_for(lambda: not phone.processes())  # it ends by itself, without adb
    assert phone.settings["stay_on_while_plugged_in"] == "0"  # so does what is changed for it
    assert len((tmp_path / "resume.jsonl").read_text().splitlines()) == 1
    phone.replug()
    adb_server.disconnect(phone.serial)
    adb_server.reach(phone.serial)
    reporter = RecordingReporter()
    measured = measure([device_on(adb_server, phone)], wanted, registry, reporter)
    assert not measured.failures
    assert measured.results[0].median_us == 20_000.0
    asked_for_help = sum("--help" in words for words in phone.launches)
    assert len(phone.launches) - asked_for_help == 3  # the first, the one that was lost, and it again
    assert "model.tflite (current): taken from the unfinished run of 20" in reporter.warnings[0]
    assert reporter.warnings[0].endswith(": 1 of its launches")
    assert not (tmp_path / "resume.jsonl").exists()
    assert_clean(phone)


@pytest.mark.timeout(HANGS_AFTER_S)
def test_a_phone_that_freezes_costs_the_timeout_only(
    adb_server: AdbServer,
    phone: Phone,
    tmp_path: Path,
    registry: BinaryRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_time_fly_while_frozen(monkeypatch, phone)
    phone.figures = STEADY
    phone.in_launch(3, phone.freeze)
    error = failure_of(adb_server, phone, quick_plan(tmp_path, model_file(tmp_path)), registry)
    assert isinstance(error, DeviceTimeoutError)
    assert "no end within 77.5 s" in str(
        error
    )  # 1.5 times 5 s and 20 s to load, and 40 s to look at the phone
    phone.thaw()
    assert phone.wait_for(lambda: not phone.processes())


def test_a_reboot_in_a_launch(
    adb_server: AdbServer,
    phone: Phone,
    tmp_path: Path,
    registry: BinaryRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_settings, "_RECONNECT_S", 0.0)
    phone.figures = STEADY
    phone.in_launch(2, phone.reboot)
    error = failure_of(adb_server, phone, quick_plan(tmp_path, model_file(tmp_path)), registry)
    assert isinstance(error, DeviceLostError)
    assert str(error).startswith(f"device {phone.serial}: the connection broke")


@pytest.mark.any_adb
def test_a_program_for_another_processor(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    registry = registry_with(tmp_path, current=Behaviour(fault="abi"))
    error = failure_of(adb_server, phone, quick_plan(tmp_path, model_file(tmp_path)), registry)
    assert isinstance(error, BenchmarkBinaryError)
    assert "benchmark binary 'current' does not run on device" in str(error)
    assert_clean(phone)


def test_one_phone_fails_the_other_is_measured(
    adb_server: AdbServer,
    make_phone: MakePhone,
    tmp_path: Path,
    registry: BinaryRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_settings, "_RECONNECT_S", 0.0)
    good, bad = make_phone(), make_phone()
    good.figures = bad.figures = STEADY
    bad.at_launch(3, bad.unplug)
    devices = [device_on(adb_server, phone) for phone in (bad, good)]
    measured = measure(devices, quick_plan(tmp_path, model_file(tmp_path)), registry)
    assert [serial for serial, _ in measured.failures] == [bad.serial]
    assert [result.conditions.device.serial for result in measured.results] == [good.serial]
    assert measured.results[0].median_us == 20_000.0
    assert (tmp_path / "resume.jsonl").exists()


@pytest.mark.timeout(HANGS_AFTER_S)
def test_two_phones_are_measured_at_once(
    adb_server: AdbServer, make_phone: MakePhone, tmp_path: Path, registry: BinaryRegistry
) -> None:
    phones = [make_phone(), make_phone()]
    both_launch = threading.Barrier(2, timeout=60)
    met: list[Phone] = []

    def meet(phone: Phone) -> None:
        """Holds the launch back until the other phone launches too."""
        both_launch.wait()
        met.append(phone)

    for phone in phones:
        phone.figures = STEADY
        for launch in (2, 3):  # the first one is --help
            phone.at_launch(launch, functools.partial(meet, phone))
    devices = [device_on(adb_server, phone) for phone in phones]
    results = measure(devices, quick_plan(tmp_path, model_file(tmp_path)), registry).results
    assert len(results) == len(phones)
    assert sorted(map(id, met)) == sorted(map(id, phones * 2))


def test_a_stop_kills_restores_and_keeps(
    adb_server: AdbServer,
    phone: Phone,
    tmp_path: Path,
    registry: BinaryRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phone.figures = STEADY
    phone.next_launches = [None, None, Behaviour(fault="hang")]  # only the stop ends the second launch
    wanted = quick_plan(tmp_path, model_file(tmp_path))
    interrupted = threading.Event()

    class Interrupting(Reporter):
        def progress(self, done: int, total: int) -> None:
            if done == 1:
                phone.in_launch(3, interrupted.set)

    def wait_for_ctrl_c(futures: object) -> None:
        assert interrupted.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_fleet([device_on(adb_server, phone)]) as fleet:
        monkeypatch.setattr("edge_mnv3_android_bench.measuring.fleet.wait", wait_for_ctrl_c)
        measure_fleet(fleet, wanted, registry, Interrupting())
    assert_clean(phone)
    assert len((tmp_path / "resume.jsonl").read_text().splitlines()) == 1


@pytest.mark.any_adb
def test_real_inference(
    adb_server: AdbServer, phone: Phone, tmp_path: Path, registry: BinaryRegistry, test_data: Path
) -> None:
    model = test_data / "models/v3-small_224_1.0_uint8.tflite"
    wanted = quick_plan(tmp_path, model, protocol=custom_protocol(QUICK, max_secs=60.0, launches=1))
    result = measure_one(adb_server, phone, wanted, registry)
    timings = [launch.timings for launch in result.launches if launch.timings]
    assert timings
    assert all(timing.delegate == "none" and timing.avg_us > 100 for timing in timings)
