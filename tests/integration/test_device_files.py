"""Files on the device: whole or not at all, pushed once, nothing left behind."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from edge_mnv3.core.errors import ArgumentError, DeviceFileError, DeviceLostError
from edge_mnv3_android_bench.transport import files as device_files
from edge_mnv3_android_bench.transport.files import DeviceFolder, parse_free_bytes
from fake_adb import SERIAL, fake_device

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "my model.tflite"
    path.write_bytes(CONTENT)
    return path


def folder_on(tmp_path: Path, **verbs: str) -> DeviceFolder:
    return DeviceFolder(fake_device(tmp_path, **verbs), str(tmp_path / "phone" / "edge"))


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "phone" / "edge").iterdir())


def test_pushed_once(tmp_path: Path, model: Path) -> None:
    folder = folder_on(tmp_path)
    assert folder.ensure(model, "m.tflite", executable=True)
    assert not folder.ensure(model, "m.tflite", executable=True)
    arrived = tmp_path / "phone/edge/m.tflite"
    assert arrived.read_bytes() == CONTENT
    assert arrived.stat().st_mode & 0o777 == 0o755
    model.write_bytes(CONTENT + b"x")
    assert folder.ensure(model, "m.tflite")
    assert arrived.read_bytes() == CONTENT + b"x"
    assert arrived.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["m.tflite"]


def test_a_file_of_equal_size_and_other_content_is_replaced(tmp_path: Path, model: Path) -> None:
    folder = folder_on(tmp_path)
    folder.ensure(model, "m.tflite")
    (tmp_path / "phone/edge/m.tflite").write_bytes(CONTENT[::-1])
    assert folder.ensure(model, "m.tflite")
    assert (tmp_path / "phone/edge/m.tflite").read_bytes() == CONTENT


@pytest.mark.parametrize("lacking", ["sha256sum", "sha256sum md5sum", "sha256sum md5sum stat"])
def test_phones_without_programs_that_hash(tmp_path: Path, model: Path, lacking: str) -> None:
    functions = " ".join(f"{name}() {{ return 127; }};" for name in lacking.split())
    shell = f"""t='{functions}'; exec sh -c "$(echo "$1" | sed "s#sh -c '#sh -c '$t #")" """
    folder = folder_on(tmp_path, shell=shell)
    assert folder.ensure(model, "m.tflite")
    assert (tmp_path / "phone/edge/m.tflite").read_bytes() == CONTENT
    assert folder.ensure(model, "m.tflite") == ("md5sum" in lacking)


def test_a_cut_push_is_refused_and_removed(tmp_path: Path, model: Path) -> None:
    cut = 'head -c 5000 "$1" >"$2"; echo "1 file pushed"'
    with pytest.raises(DeviceFileError) as caught:
        folder_on(tmp_path, push=cut).ensure(model, "m.tflite")
    assert str(caught.value) == f"device {SERIAL}: push of {model}: got 5000 of 10240 bytes arrived"
    assert names(tmp_path) == []


def test_a_changed_byte_is_refused(tmp_path: Path, model: Path) -> None:
    changed = 'tr "\\001" "\\002" <"$1" >"$2"'
    with pytest.raises(DeviceFileError, match="got other content on the device than in the file"):
        folder_on(tmp_path, push=changed).ensure(model, "m.tflite")
    assert names(tmp_path) == []


def test_a_failed_push_keeps_the_old_file(tmp_path: Path, model: Path) -> None:
    folder_on(tmp_path).ensure(model, "m.tflite")
    model.write_bytes(b"new")
    failing = 'head -c 1 "$1" >"$2"; echo \'adb: error: failed to copy: No space left on device\' >&2; exit 1'
    with pytest.raises(DeviceFileError, match="got no space left on the device; remove files from it"):
        folder_on(tmp_path, push=failing).ensure(model, "m.tflite")
    assert (tmp_path / "phone/edge/m.tflite").read_bytes() == CONTENT
    assert names(tmp_path) == ["m.tflite"]


def test_what_an_earlier_run_left_is_removed(tmp_path: Path, model: Path) -> None:
    (tmp_path / "phone/edge").mkdir(parents=True)
    (tmp_path / "phone/edge/.push-12345678").write_bytes(b"cut")
    folder_on(tmp_path).ensure(model, "m.tflite")
    assert names(tmp_path) == ["m.tflite"]


def test_a_phone_that_is_lost_in_the_push_keeps_its_error(tmp_path: Path, model: Path) -> None:
    gone = tmp_path / "gone"
    dead = f"if test -e {gone}; then echo 'adb: device offline' >&2; exit 1; fi\n"
    folder = folder_on(
        tmp_path,
        push=f"touch {gone}; echo 'adb: error: failed to read copy response: EOF' >&2; exit 1",
        get_state=f"{dead}echo device",
        shell=f'{dead}exec sh -c "$1"',
    )
    with pytest.raises(DeviceLostError, match="the connection broke: got failed to read copy response: EOF"):
        folder.ensure(model, "m.tflite")


def test_a_stop_in_the_push_leaves_nothing(tmp_path: Path, model: Path) -> None:
    stop = threading.Event()
    stop.set()
    slow = 'head -c 10 "$1" >"$2"; sleep 20'
    with pytest.raises(KeyboardInterrupt):
        folder_on(tmp_path, push=slow).ensure(model, "m.tflite", stop=stop)
    assert names(tmp_path) == []


def test_too_little_space_is_seen_before_the_push(tmp_path: Path, model: Path) -> None:
    df = "echo Filesystem 1K-blocks Used Available Use% Mounted on; echo /dev/x 900 800 100 89% /data; true"
    shell = f"""exec sh -c "$(echo "$1" | sed 's#^df -k#{df}#')" """
    with pytest.raises(DeviceFileError) as caught:
        folder_on(tmp_path, shell=shell, push="exit 1").ensure(model, "m.tflite")
    assert str(caught.value) == (
        f"device {SERIAL}: no space for m.tflite: got 0.1 MB free, expected 1.1 MB; remove files from it"
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("Read-only file system", "a read-only file system, expected a folder that can be written to"),
        ("Permission denied", "permission denied, expected a folder that the device's shell may write to"),
    ],
)
def test_a_folder_that_cannot_be_made(tmp_path: Path, model: Path, message: str, text: str) -> None:
    refuse = f"""exec sh -c "$(echo "$1" | sed 's#mkdir -p#echo mkdir: {message} >\\&2; false#')" """
    with pytest.raises(DeviceFileError) as caught:
        folder_on(tmp_path, shell=refuse).ensure(model, "m.tflite")
    assert str(caught.value) == f"device {SERIAL}: folder {tmp_path}/phone/edge: got {text}"


def test_a_noexec_file_system(tmp_path: Path, model: Path) -> None:
    noexec = """exec sh -c "$(echo "$1" | sed 's#test -x#test -d#')" """
    folder = folder_on(tmp_path, shell=noexec)
    for _ in range(2):  # the second time it is there already
        with pytest.raises(DeviceFileError, match="a file that may not be run .*mounted noexec"):
            folder.ensure(model, "m", executable=True)


def test_remove(tmp_path: Path, model: Path) -> None:
    folder = folder_on(tmp_path)
    folder.ensure(model, "m.tflite")
    folder.remove("m.tflite", "other")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "-rf", ".hidden", "a;b", "$HOME"])
def test_names_that_need_no_quoting_only(tmp_path: Path, model: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match="letters, digits"):
        folder_on(tmp_path).ensure(model, name)


@pytest.mark.parametrize(
    ("text", "free_bytes"),
    [
        (
            "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/dm-3 100000 40000 60000 40% /data\n",
            60_000 * 1024,
        ),
        (
            "Filesystem 1K-blocks Used Available Use% Mounted on\n"
            "/dev/block/bootdevice/by-name/userdata\n                 100 40 60  40% /data\n",
            60 * 1024,
        ),
        (
            "Filesystem        Size   Used   Free   Blksize\n/data            11.8G   3.5G   8.3G   4096\n",
            None,
        ),
        ("", None),
    ],
)
def test_free_space(text: str, free_bytes: int | None) -> None:
    assert parse_free_bytes(text) == free_bytes


def test_hashes_are_told_apart_by_their_length(model: Path) -> None:
    assert device_files._local_hash(model, 64) == hashlib.sha256(CONTENT).hexdigest()
    assert device_files._local_hash(model, 32) == hashlib.md5(CONTENT).hexdigest()
