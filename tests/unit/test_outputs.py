"""Outputs: refused early, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_mnv3.core.errors import OutputError
from edge_mnv3.core.outputs import check_apart, check_writable, staged, write_text


def test_writes_all_files_and_makes_the_folder(tmp_path: Path) -> None:
    paths = [tmp_path / "new" / "a", tmp_path / "new" / "b"]
    with staged(paths, force=False) as temporary:
        for index, path in enumerate(temporary):
            path.write_text(str(index))
    assert [path.read_text() for path in paths] == ["0", "1"]
    assert sorted(os.listdir(tmp_path / "new")) == ["a", "b"]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_interrupted(tmp_path: Path, interruption: type[BaseException]) -> None:
    with pytest.raises(interruption), staged([tmp_path / "new" / "deep" / "a"], force=False) as (temporary,):
        temporary.write_text("half")
        raise interruption
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_when_interrupted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), staged([tmp_path / "a"], force=True) as (temporary,):
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_existing_output_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(OutputError) as caught:
        write_text(path, "new", force=False)
    assert str(caught.value) == f"output {path} exists already; use --force to overwrite it, or another -o"
    assert path.read_text() == "old"
    write_text(path, "new", force=True)
    assert path.read_text() == "new"


def test_output_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="got a folder of that name, expected a file name"):
        check_writable([tmp_path], force=True)


def test_output_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="which is a file, expected a folder"):
        check_writable([tmp_path / "file" / "a"], force=False)


def test_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(OutputError, match=rf"cannot write in {tmp_path} \(permission denied\)"):
        check_writable([tmp_path / "a"], force=False)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc on this system")
def test_file_system_that_refuses_even_root() -> None:
    with pytest.raises(OutputError, match=r"output /proc/a/b: cannot write in /proc \("):
        check_writable([Path("/proc/a/b")], force=True)


def test_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r": file name too long; use another -o$"):
        check_writable([tmp_path / ("a" * 300)], force=False)


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="got a pipe of that name, expected a file name"):
        check_writable([tmp_path / "pipe"], force=True)


def test_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        pytest.raises(OutputError, match="output folder .*: Permission denied"),
        staged([tmp_path / "new" / "a"], force=False),
    ):
        pytest.fail("the block must not run")


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on file sizes makes the kernel refuse the write, as a full disk does.
    script = (
        "import resource, sys; from pathlib import Path; from edge_mnv3.core.outputs import staged\n"
        "from edge_mnv3.core.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with staged([Path(sys.argv[1]) / 'a'], force=False) as (t,): t.write_bytes(bytes(100_000))\n"
        "except OutputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"output folder {tmp_path / 'out'}: File too large; free some space or use another -o\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_errors_elsewhere_are_not_renamed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staged([tmp_path / "a"], force=False):
        (tmp_path / "input").read_text()
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_are_one_file(tmp_path: Path) -> None:
    """By one path, another writing of it, links of both kinds, or one inside the other."""
    a = tmp_path / "a"
    a.write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(a)
    (tmp_path / "here").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "hard").hardlink_to(a)
    check_apart({"output": a, "history": tmp_path / "b"}, folders={"raw logs": tmp_path}, inputs=[Path("c")])
    for other in (
        a,
        *(tmp_path / name for name in ("folder/../a", "link", "here/a", "hard", "a/inside")),
    ):
        with pytest.raises(OutputError, match=r"output .*a: got the path of the history too \("):
            check_apart({"output": a, "history": other})
    with pytest.raises(OutputError, match=r"output .*inside: got the path of the history too"):
        check_apart({"output": a / "inside", "history": a})
    with pytest.raises(OutputError, match=r"got the path of the raw logs too"):
        check_apart({"output": tmp_path / "new"}, folders={"raw logs": tmp_path / "here" / "new"})
    with pytest.raises(OutputError, match=r"got a file that is read, expected a file of its own"):
        check_apart({"history": tmp_path / "link"}, inputs=[a])
