"""`bench --device --sustained`: minutes under load on a phone whose clock goes by its launches."""

from __future__ import annotations

import concurrent.futures
from concurrent.futures import Future
from pathlib import Path

import pytest

from device.bench_setup import model_file
from device.command_setup import Bench, assert_clean
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, Figures
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json

pytestmark = pytest.mark.any_adb
COOL = [200_000, 201_000, 199_000]  # 40 inferences of 200 ms are one window
TWO_MINUTES = ("--sustained", "2", "--runs", "10")


def run(bench: Bench, phone: Phone, *arguments: str | Path) -> tuple[str | Path, ...]:
    return (
        *("bench", model_file(bench.folder), "--device", phone.serial, *TWO_MINUTES),
        *("--benchmark-binary", bench.binary(), *arguments),
    )


def test_two_minutes_under_load(bench: Bench, phone: Phone) -> None:
    """It throttles after the first minute, by clocks and latency, while the thermal status stays 0."""
    phone.figures = Figures(inference_us={"*": [COOL]}, own_time=True)

    def throttle() -> None:
        phone.throttle(clock_fraction=0.75, thermal_status=0)

    phone.at_launch(9, throttle)  # the first one is --help, then seven a minute
    done = bench.run(*run(bench, phone, "-o", "load.json"))
    assert done.exit_code == 0, done.output
    report = from_json(DeviceBenchReport, (bench.folder / "load.json").read_text())
    (result,) = report.sustained
    assert (report.results, result.ended_by, result.problems) == ((), "time is up", ())
    assert 2.0 <= result.measured_minutes < 2.3
    assert (result.first_us, result.slower) == (200_000.0, True)
    assert result.last_us == pytest.approx(200_000.0 / 0.75, rel=0.01)
    assert result.ratio_ci95 is not None
    assert result.ratio_ci95 == pytest.approx((4 / 3, 4 / 3), rel=0.01)
    assert "as compare" in result.interval_method
    assert "it becomes slower over 2." in result.text
    assert "while the thermal status stayed 0" in result.text
    starts = [window.start_s for window in result.windows]
    assert starts == sorted(starts)
    first, last = result.windows[0], result.windows[-1]
    assert (result.watched_cpus, first.khz, last.khz) == ((4, 5, 6, 7), (2_400_000,) * 4, (1_800_000,) * 4)
    assert (first.celsius, last.celsius, last.thermal_status) == (42.0, 88.0, 0)
    assert all(Path(window.log_path).is_file() for window in result.windows)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["1", "200.000", "2400", "42.0", "0"] in [row[:5] for row in rows]
    assert any(row[:1] == ["2"] and row[2:4] == ["1800", "88.0"] for row in rows)
    assert result.text in done.stdout
    assert not (bench.folder / "edge_mnv3_history.jsonl").exists()
    assert_clean(phone)


def test_what_was_measured_before_ctrl_c_is_the_result(
    bench: Bench, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.figures = Figures(inference_us={"*": [COOL]}, own_time=True)
    phone.next_launches = [None, None, None, Behaviour(fault="hang")]  # only the interrupt ends the third

    calls: list[object] = []

    def wait_or_interrupt(futures: list[Future[object]]) -> object:
        calls.append(futures)
        if len(calls) < 3:  # opening the phone, and locking it
            return concurrent.futures.wait(futures)
        assert phone.wait_for(lambda: len(phone.launches) == 4)
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_mnv3_android_bench.measuring.fleet.wait", wait_or_interrupt)
    done = bench.run(*run(bench, phone, "-o", "load.json"))
    assert done.exit_code == 3, done.output
    assert "interrupted: what was measured until then is the result" in done.stderr
    assert "of 2 minutes: interrupted" in done.stderr
    (result,) = from_json(DeviceBenchReport, (bench.folder / "load.json").read_text()).sustained
    assert (result.ended_by, len(result.windows), result.ratio) == ("interrupted", 2, None)
    assert all(window.figure_us == 200_000.0 for window in result.windows)
    assert result.problems[0].startswith("it lasted 0.")
    assert_clean(phone)
