"""`bench --device ssh:HOST`: a real ssh server on loopback, before an emulated board."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from device.bench_setup import FOLDER, STEADY, model_file
from device.board import ABI, SERIAL, Board, running_board
from device.board_faults import BOARD_FAULTS, DONE, BoardFault, BoardStage
from device.command_setup import AS_THEY_ARE, QUICK
from device.stand_in_behaviour import benchmark_binary
from edge_mnv3.cli import main
from edge_mnv3.core.errors import DeviceFileError
from edge_mnv3_android_bench.ssh.client import SshDevice, find_ssh
from hanging import HANGS_AFTER_S

MEDIAN_US = 20_000
LEFTOVERS = ("run", ".push-", "check_", "lock", ".stale")


@pytest.fixture
def board(
    stand_in: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Board]:
    """A board that the ssh configuration knows as `board`."""
    folders = (tmp_path_factory.mktemp(name) for name in ("board", "ssh"))
    with running_board(*folders, stand_in=stand_in) as running:
        running.phone.figures = STEADY
        monkeypatch.setenv("PATH", f"{running.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path / "cache"))
        monkeypatch.chdir(tmp_path)
        yield running


def measure(folder: Path, *arguments: str | Path, launches: int = 1) -> Result:
    """Runs `edge-mnv3 bench` on the board, with a stand-in and a short protocol."""
    binary = folder / "benchmark_model"
    binary.write_bytes(benchmark_binary())
    usual = () if "--benchmark-binary" in arguments else ("--benchmark-binary", binary)
    short = (*QUICK, *AS_THEY_ARE, "--max-secs", "1", "--launches", str(launches), "--json")
    words = ("bench", model_file(folder), "--device", SERIAL, *usual, *short, *arguments)
    return CliRunner().invoke(main, [str(word) for word in words])


def assert_in_order(board: Board) -> None:
    """Nothing runs on the board, and nothing of a measurement is left on it."""
    assert board.phone.wait_for(lambda: not board.phone.processes()), board.phone.processes()
    names = [path.removeprefix(f"{FOLDER}/") for path in board.phone.files()]
    assert board.phone.wait_for(lambda: not [n for n in names if n.startswith(LEFTOVERS)]), names


def test_a_board_is_measured_as_a_phone_is(board: Board, tmp_path: Path) -> None:
    done = measure(tmp_path, launches=2)
    assert done.exit_code == DONE, done.output
    (result,) = json.loads(done.stdout)["results"]
    assert result["median_us"] == MEDIAN_US
    conditions, device = result["conditions"], result["conditions"]["device"]
    assert (conditions["cpus"], conditions["cpu_mask"]) == ([0, 1, 2, 3], "f")
    assert (device["serial"], device["model"]) == (SERIAL, "Raspberry Pi 4 Model B Rev 1.4")
    assert (device["abi"], device["soc"], device["hardware_serial"]) == (ABI, "bcm2711", "10000000abcdef01")
    assert (device["android_version"], device["sdk"], device["emulated"]) == (None, None, True)
    launch = result["launches"][-1]
    assert launch["mask_verified"]
    assert launch["samples"][0]["celsius"] is not None
    unknown = ("battery_percent", "charging", "thermal_status", "screen_on", "firmware_throttling")
    assert [launch["before"][name] for name in unknown] == [None] * len(unknown)
    told = "the device does not tell its thermal status: heat was seen by the clocks alone"
    assert told in result["warnings"]
    assert board.connections() == 1
    assert_in_order(board)


@pytest.mark.timeout(HANGS_AFTER_S)
@pytest.mark.parametrize("fault", BOARD_FAULTS, ids=lambda fault: fault.what)
def test_fault(fault: BoardFault, board: Board, tmp_path: Path) -> None:
    more = fault.arrange(BoardStage(board, tmp_path)) or ()
    done = measure(tmp_path, *more)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code, fault.says in done.output) == (fault.code, True), done.output
    figures = [result["median_us"] for result in json.loads(done.stdout)["results"]] if done.stdout else []
    assert not any(figures)
    if fault.locked:
        assert board.phone.read_bytes(f"{FOLDER}/lock/token") == b"c0ffee\n"
        return
    assert_in_order(board)  # by the guard on the board, where the connection is lost
    if not fault.reachable:
        board.start()
        again = measure(tmp_path)
        assert again.exit_code == DONE, again.output
        assert_in_order(board)


def test_files_go_there_and_back_byte_by_byte(board: Board, tmp_path: Path) -> None:
    device = SshDevice(SERIAL, find_ssh())
    local, back = tmp_path / "there", tmp_path / "back"
    local.write_bytes(bytes(range(256)) * 999 + b"\r\n\r\r\n")
    device.push(local, "/var/tmp/it's here")
    device.pull("/var/tmp/it's here", back)
    assert back.read_bytes() == local.read_bytes()
    with pytest.raises(DeviceFileError, match="No such file or directory"):
        device.pull("/var/tmp/nothing", back)
    output = device.shell("echo out; echo err >&2; exit 255")
    assert (output.stdout, output.stderr, output.exit_code) == ("out\n", "err\n", 255)
