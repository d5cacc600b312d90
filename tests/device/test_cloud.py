"""`bench --device ddp:MODEL`: sessions of the Developer Device Platform, its command line a stand-in."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from device.bench_setup import STEADY, model_file
from device.command_setup import write_variant_files
from device.fault_setups import DONE, FAILED, MEDIAN_US
from device.layouts import generic_phone
from device.phone import Phone
from device.shell_server import ShellServer
from device.stand_in_behaviour import Behaviour, benchmark_binary
from device.threads import start_thread
from edge_mnv3.cli import main
from edge_mnv3.core.errors import DeviceLostError, DeviceTimeoutError
from edge_mnv3.stages import cloud_bench
from edge_mnv3_android_bench.ddp.cloud import Cloud, CloudWaits

SERIAL = "ddp:generic-33"
STAND_IN = Path(__file__).parent / "gcloud_stand_in.py"


class Platform:
    """The cloud: one phone, and a folder for what `gcloud_stand_in.py` keeps.

    Attributes:
        phone: The phone that sessions get.
        folder: That folder.
    """

    def __init__(self, phone: Phone, folder: Path) -> None:
        self.phone = phone
        self.folder = folder
        (folder / "bucket").mkdir()
        (folder / "bin").mkdir()
        (folder / "root").symlink_to(phone.root)
        self.server = ShellServer(str(folder / "socket"), phone)
        start_thread(self.server.serve_forever)
        program = folder / "bin/gcloud"
        argv = shlex.join([sys.executable, "-I", str(STAND_IN), str(folder)])
        program.write_text(f'#!/bin/sh\nexec {argv} "$@"\n')
        program.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        """Arguments of all calls of gcloud so far."""
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def cloud(self, waits: CloudWaits) -> Cloud:
        """As the product sees it."""
        return Cloud(program=self.folder / "bin/gcloud", serial=SERIAL, waits=waits, stop=threading.Event())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.phone.close()


def tell(phone: Phone, properties: dict[str, str]) -> None:
    """From now on the phone has these properties too, or instead."""
    told = {**phone.layout.properties, **properties}
    phone.replace_property_list("".join(f"[{name}]: [{value}]\n" for name, value in told.items()))


@pytest.fixture
def platform(
    stand_in: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    phone = Phone(generic_phone(), tmp_path_factory.mktemp("phone"), stand_in=stand_in)
    phone.figures = STEADY
    tell(phone, {"ro.serialno": "C10UD"})
    made = Platform(phone, tmp_path_factory.mktemp("cloud"))
    monkeypatch.setenv("PATH", f"{made.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ADB", str(tmp_path / "no-adb-is-needed"))
    monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cloud_bench, "WAITS", CloudWaits(poll_s=0.01))
    yield made
    made.close()


def measure(folder: Path, *arguments: str | Path, launches: int = 1, serial: str = SERIAL) -> Result:
    binary = folder / "benchmark_model"
    if not binary.exists():
        binary.write_bytes(benchmark_binary())
    short = ("--runs", "10", "--min-secs", "0.1", "--max-secs", "1", "--launches", str(launches), "--json")
    words = ("bench", model_file(folder), "--device", serial, "--benchmark-binary", binary, *short)
    return CliRunner().invoke(main, [str(word) for word in (*words, "--accept-variation", *arguments)])


def test_the_same_launches_in_two_sessions(platform: Platform, tmp_path: Path) -> None:
    done = measure(tmp_path, launches=2)
    assert done.exit_code == DONE, done.output
    (result,) = json.loads(done.stdout)["results"]
    conditions = result["conditions"]
    device = conditions["device"]
    assert (result["median_us"], conditions["cpu_mask"]) == (MEDIAN_US, "f0")
    assert (device["serial"], device["model"], device["emulated"]) == (SERIAL, "Generic Phone", True)
    assert [launch["problems"] for launch in result["launches"]] == [[]] * 4  # two and as many in reserve
    launch = result["launches"][0]
    assert (launch["mask_verified"], launch["before"]["thermal_status"]) == (True, 0)
    assert launch["before"]["battery_percent"] is not None
    assert launch["samples"][0]["celsius"] is not None
    assert "--graph=" in Path(launch["log_path"]).read_text()
    assert conditions["binary"]["sha256"]
    submitted = [call for call in platform.calls if "submit" in call]
    assert len(submitted) == 2
    assert all("--device=generic-33" in call and "--async" in call for call in submitted)
    assert platform.phone.settings["stay_on_while_plugged_in"] == "0"
    assert not platform.phone.processes()


def _refuses(text: str) -> dict[str, str]:
    return {"refuses": text}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            _refuses("You do not currently have an active account selected. Please run: gcloud auth login"),
            "expected a session of the Developer Device Platform; run 'gcloud auth login'",
        ),
        (
            _refuses("Device Run API has not been used in project 1 before or it is disabled."),
            "run 'gcloud services enable devicerun.googleapis.com'",
        ),
        (
            _refuses("Device type generic-33 does not exist."),
            "'gcloud beta device-run devices list' names the phones",
        ),
        (
            _refuses("Invalid choice: 'device-run'.\nMaybe you meant:\n  gcloud beta code dev"),
            "Invalid choice: 'device-run', expected a session of the Developer Device Platform; run 'gcloud "
            "components update': this one is too old",
        ),
        ({"loses": ""}, "no sign that the script came to its end"),
    ],
)
def test_what_the_platform_does_not_do(
    files: dict[str, str], says: str, platform: Platform, tmp_path: Path
) -> None:
    for name, text in files.items():
        (platform.folder / name).write_text(text)
    done = measure(tmp_path)
    assert (done.exit_code, done.stdout) == (FAILED, _nothing(done.stdout)), done.output
    assert says in done.stderr, done.output
    assert "the same command goes on" not in done.stderr
    if "loses" in files:  # what the session left is kept, and what the platform says of it
        logs = Path(done.stderr.partition("see the logs in ")[2].partition(",")[0])
        assert "finished with result [PASSED]" in (logs / "session.txt").read_text()
        assert list(logs.rglob("logcat.txt"))


@pytest.mark.parametrize(
    ("serial", "arguments", "says", "sessions"),
    [
        ("ddp:generic-34", (), "got a Generic Phone of API level 33, expected API level 34", 1),
        (SERIAL, ("--threads", "16"), "expected cores that it has, as many as threads", 1),
        (SERIAL, ("--max-secs", "3000"), "expected at most 1650: a session lasts 55 minutes", 0),
        (SERIAL, ("--launches", "900"), "expected at most 300 launches of 55 minutes in a session", 0),
        (
            SERIAL,
            ("--launches", "100", "--min-secs", "60", "--max-secs", "90"),
            "100 launches of 101 minutes at least, expected at most 300 launches of 55 minutes in a session",
            0,
        ),
    ],
)
def test_what_is_not_to_be_had_there(
    serial: str, arguments: tuple[str, ...], says: str, sessions: int, platform: Platform, tmp_path: Path
) -> None:
    done = measure(tmp_path, *arguments, serial=serial)
    assert done.exit_code == FAILED
    assert says in done.stderr, done.output
    assert len([call for call in platform.calls if "submit" in call]) == sessions


def test_ctrl_c_says_what_becomes_of_the_launches(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session cannot be gone on with: its launches begin anew."""

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Cloud, "_wait", interrupted)
    done = measure(tmp_path)
    assert done.exit_code != DONE
    assert f"interrupted: launches of {SERIAL} begin anew" in done.stderr, done.output
    assert "goes on" not in done.stderr
    assert len([call for call in platform.calls if "cancel" in call]) == 1


def _nothing(printed: str) -> str:
    """The report, if it has no results."""
    return printed if json.loads(printed)["results"] == [] else "results"


def test_published_figures_are_held_against_a_phone_of_the_cloud(platform: Platform, tmp_path: Path) -> None:
    write_variant_files(tmp_path / "models", "small")
    (tmp_path / "benchmark_model").write_bytes(benchmark_binary())
    words = f"--device {SERIAL} --variants small --models-dir models --weights none"
    short = (
        "--benchmark-binary",
        "benchmark_model",
        "--runs",
        "10",
        "--launches",
        "1",
        "--accept-variation",
        "-o",
        "result.json",
    )
    done = CliRunner().invoke(main, ["reproduce", *words.split(), *short])
    assert done.exit_code == DONE, done.output
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["device"]["serial"], result["device"]["model"]) == (SERIAL, "Generic Phone")
    assert [one["median_us"] for one in result["results"]] == [MEDIAN_US] * 3
    assert {each["verdict"] for cell in result["cells"] for each in cell["measured"]} == {"conditions differ"}


def test_what_comes_back_cut_is_no_figure(platform: Platform, tmp_path: Path) -> None:
    (platform.folder / "cuts").touch()
    done = measure(tmp_path)
    assert done.exit_code == FAILED
    assert "01.out came back cut" in done.stderr
    assert json.loads(done.stdout)["results"] == []


def test_another_phone_in_the_second_session(platform: Platform, tmp_path: Path) -> None:
    """Cores were chosen by the first one: on another kind of phone they may be other ones."""
    lists = platform.folder / "lists"
    phone = platform.phone

    def change() -> None:
        tell(phone, {"ro.build.fingerprint": "another/build"})
        lists.touch()

    # Before the second session's script, and after the first one has read all.
    phone.when(lambda: sum("submit" in call for call in platform.calls) == 2, change)
    done = measure(tmp_path)
    assert lists.exists()
    assert done.exit_code == FAILED
    assert "the second session ran on another kind of phone" in done.stderr


def test_a_phone_of_another_name_is_said(platform: Platform, tmp_path: Path) -> None:
    tell(platform.phone, {"ro.product.device": "caiman"})
    done = measure(tmp_path)
    assert "the phone calls itself 'caiman', not 'generic': is it the one meant?" in done.stderr


def test_phones_without_a_serial_number_do_not_pass_for_one(platform: Platform, tmp_path: Path) -> None:
    tell(platform.phone, {})
    told = [json.loads(measure(tmp_path).stdout)["results"][0]["conditions"]["device"] for _ in range(2)]
    assert [device["hardware_serial"] for device in told] == [None, None]
    first, second = (device["serial"] for device in told)
    assert first != second
    assert first.startswith(f"{SERIAL}#")


def test_a_program_that_does_not_run_there(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "benchmark_model").write_bytes(benchmark_binary(Behaviour(fault="abi")))
    done = measure(tmp_path)
    assert done.exit_code == FAILED
    assert "does not run on device ddp:generic-33" in done.stderr
    assert len([call for call in platform.calls if "submit" in call]) == 1


def test_a_platform_that_answers_no_more_is_not_waited_for(platform: Platform, tmp_path: Path) -> None:
    (platform.folder / "logged-out").touch()
    script = tmp_path / "script.sh"
    script.write_text("exit 0\n")
    cloud = platform.cloud(CloudWaits(poll_s=0.0, queue_s=3600.0))
    with pytest.raises(DeviceLostError) as caught:
        cloud.run(script, {"/data/local/tmp/f": script}, "/data/local/tmp", limit_s=60.0, into=tmp_path / "r")
    assert str(caught.value) == (
        "device ddp:generic-33: session session-00000000: got (gcloud) Reauthentication failed. Please run: "
        "gcloud auth login; run 'gcloud auth login'; it could not be cancelled and may go on: run 'gcloud "
        "beta device-run sessions cancel session-00000000 --location=global'"
    )


def test_a_session_that_does_not_end_is_cancelled(platform: Platform, tmp_path: Path) -> None:
    (platform.folder / "never").touch()
    script = tmp_path / "script.sh"
    script.write_text("exit 0\n")
    cloud = platform.cloud(CloudWaits(poll_s=0.01, queue_s=0.0))
    files = {"/data/local/tmp/file": script}
    with pytest.raises(DeviceTimeoutError, match="it was cancelled"):
        cloud.run(script, files, "/data/local/tmp", limit_s=0.0, into=tmp_path / "results")
    assert [call[3] for call in platform.calls if "cancel" in call] == ["cancel"]
    cloud.stop.set()
    with pytest.raises(KeyboardInterrupt):
        cloud.run(script, files, "/data/local/tmp", limit_s=60.0, into=tmp_path / "results")
    asked = CliRunner().invoke(main, ["bench", "x.tflite", "--device", "ddp:a,b"])
    assert asked.exit_code != DONE
