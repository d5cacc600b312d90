"""Scripts for phones of the cloud, run by this machine's `sh`, and what they bring back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_mnv3.core.errors import ArgumentError, DeviceFileError, DeviceLostError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3_android_bench.ddp import scripts
from edge_mnv3_android_bench.ddp.cloud import parse_model
from edge_mnv3_android_bench.ddp.scripts import Outputs, launches_script, session_script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the scripts read /proc")
TOKEN = "c0ffee"


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, body: Callable[[], str]) -> dict[str, str]:
    """Runs a session's script in a folder of this machine; returns what was sent."""
    monkeypatch.setattr(scripts, "FOLDER", str(folder / "edge"))
    monkeypatch.setattr(scripts, "OUT", str(folder / "edge/out"))
    monkeypatch.setattr(scripts, "_ARRIVAL", f"{folder}/arrived.")
    sent = {"tool": folder / "tool", "launch-01.sh": folder / "launch-01.sh"}
    for name, file in sent.items():
        file.write_text(f"echo {name}\n")
        Path(f"{folder}/arrived.{name}").write_bytes(file.read_bytes())
    script = session_script(tuple(sent), ("tool",), body(), TOKEN)
    subprocess.run(["sh", "-c", script], check=True, capture_output=True)
    return {name: sha256_file(file) for name, file in sent.items()}


@pytest.mark.parametrize(("budget_s", "codes"), [(60.0, ["0", "2"]), (-1.0, ["", ""])])
def test_launches(budget_s: float, codes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each notes its output, its exit code, and when it ran; none is begun when the time is up."""
    sent = run(
        tmp_path,
        monkeypatch,
        lambda: launches_script(2, budget_s=budget_s, cool_s=0.0, poll_s=1.0, stay_awake=False),
    )
    outputs = Outputs(tmp_path, TOKEN, sent, serial="ddp:x-33")
    assert [outputs.text(f"0{number}.code").strip() for number in (1, 2)] == codes
    assert outputs.text("01.out") == ("launch-01.sh\n" if budget_s > 0 else "")
    assert len(outputs.text("01.uptime").split()) == (2 if budget_s > 0 else 0)


def test_what_comes_back_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = run(tmp_path, monkeypatch, lambda: "echo 12345 >out/told")
    assert Outputs(tmp_path, TOKEN, sent, serial="ddp:x-33").text("told") == "12345\n"
    with pytest.raises(DeviceLostError, match="no sign that the script came to its end"):
        Outputs(tmp_path, "other", sent, serial="ddp:x-33")
    with pytest.raises(DeviceFileError, match="tool: got other content on the phone than here"):
        Outputs(tmp_path, TOKEN, {**sent, "tool": "0" * 64}, serial="ddp:x-33")
    (tmp_path / "edge/out/told").write_text("123")
    with pytest.raises(DeviceLostError, match="told came back cut: got 3 bytes, expected 6 bytes"):
        Outputs(tmp_path, TOKEN, sent, serial="ddp:x-33")
    (tmp_path / "edge/out/told").unlink()
    with pytest.raises(DeviceLostError, match="told came back cut: got nothing, expected 6 bytes"):
        Outputs(tmp_path, TOKEN, sent, serial="ddp:x-33")
    sizes = (tmp_path / f"edge/out/{TOKEN}.done").read_text()
    for cut in (sizes[: sizes.index("total") - 1], sizes[sizes.index("\n") :], ""):
        (tmp_path / f"edge/out/{TOKEN}.done").write_text(cut)
        with pytest.raises(DeviceLostError, match="the list of its files: got a list that was cut"):
            Outputs(tmp_path, TOKEN, sent, serial="ddp:x-33")


@pytest.mark.parametrize("serial", ["ddp:", "ddp:a,b", "ddp:--x", "caiman-35", "ddp:a b"])
def test_what_is_no_phone_of_the_cloud(serial: str) -> None:
    assert parse_model("ddp:caiman-35") == "caiman-35"
    with pytest.raises(ArgumentError, match="expected ddp:MODEL, such as ddp:caiman-35"):
        parse_model(serial)
