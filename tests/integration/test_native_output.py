"""Native chatter is captured; nothing that another thread writes is lost, delayed or found in the capture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.runtime import open_model
from tiny_models import write_classifier

pytestmark = pytest.mark.measured_processes

_CAPTURE_IN_A_THREAD = """
import os, sys, threading
import click
from edge_mnv3.core.native_output import RUNTIME_LOG, captured_native_output

held_out, held_err = sys.stdout, sys.stderr
inside, done = threading.Event(), threading.Event()
texts = []

def capture():
    with captured_native_output({lines}) as native:
        os.write(2, b"INFO: native\\n")
        inside.set()
        assert done.wait(20)
    texts.append(native.text)

thread = threading.Thread(target=capture)
thread.start()
assert inside.wait(20)
print("1 print")
print("2 held", file=held_out)
click.echo("3 click")
print("1 print", file=sys.stderr)
print("2 held", file=held_err)
click.echo("3 click", err=True)
taken = sys.stderr
{more}
done.set()
thread.join()
print("4 after", file=taken)
print("4 after")
sys.stdout.flush()
assert texts == ["INFO: native\\n"], texts
"""


def _run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("lines", ["", "RUNTIME_LOG"])
@pytest.mark.parametrize("options", [(), ("-u",)])
def test_other_threads_output_stays_theirs(lines: str, options: tuple[str, ...]) -> None:
    done = _run(_CAPTURE_IN_A_THREAD.format(lines=lines, more=""), *options)
    assert (done.returncode, done.stderr) == (0, "1 print\n2 held\n3 click\n4 after\n")
    assert done.stdout == "1 print\n2 held\n3 click\n4 after\n"


def test_native_output_of_others_is_passed_on_while_a_model_loads() -> None:
    more = 'os.write(2, b"native, of another library\\n"); os.write(1, b"child of another thread\\n")'
    done = _run(_CAPTURE_IN_A_THREAD.format(lines="RUNTIME_LOG", more=more))
    assert done.returncode == 0, done.stderr
    assert done.stderr == "1 print\n2 held\n3 click\nnative, of another library\n4 after\n"
    assert done.stdout == "1 print\n2 held\n3 click\nchild of another thread\n4 after\n"


_LOADING_WHILE_OTHERS_WRITE = """
import sys, threading
from pathlib import Path
import click
from edge_mnv3.core.runtime import open_model

LOADERS, LINES = 2, 2000
ended = threading.Event()
failures = []

def load():
    while not ended.is_set():
        try:
            open_model(Path(sys.argv[1]))
        except Exception as error:
            failures.append(error)

def write(err):
    for number in range(LINES):
        click.echo(number, err=err)

loaders = [threading.Thread(target=load) for _ in range(LOADERS)]
writers = [threading.Thread(target=write, args=(err,)) for err in (True, False)]
for thread in (*loaders, *writers):
    thread.start()
for thread in writers:
    thread.join()
ended.set()
for thread in loaders:
    thread.join()
assert not failures, failures
"""


@pytest.mark.parametrize("unbuffered", [False, True])
def test_no_line_is_lost_while_models_load(tmp_path: Path, unbuffered: bool) -> None:
    model = write_classifier(tmp_path / "m.tflite", "int8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, *(["-u"] if unbuffered else []), "-c", _LOADING_WHILE_OTHERS_WRITE, str(model)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    written = [text.splitlines() for text in (done.stdout, done.stderr)]
    if unbuffered:  # a line that was under way when its descriptor was redirected comes a little later
        written = [sorted(lines, key=int) for lines in written]
    wanted = [str(number) for number in range(2000)]
    assert written == [wanted, wanted]


def test_what_this_thread_prints_is_captured_with_native_output() -> None:
    script = """
import os, sys
from edge_mnv3.core.native_output import captured_native_output
print("before")
with captured_native_output() as native:
    print("Saved artifact")
    os.write(1, b"native out\\n")
    os.write(2, b"native err\\n")
    with captured_native_output() as inner:
        os.write(2, b"inner\\n")
    print("progress", file=sys.stderr)
print("after")
assert native.text == "native out\\nnative err\\nSaved artifact\\n", native.text
assert inner.text == "inner\\n"
"""
    done = _run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "before\nafter\n", "progress\n")


def test_output_is_restored_and_kept_after_an_error() -> None:
    script = """
import os
from edge_mnv3.core.native_output import captured_native_output
try:
    with captured_native_output() as native:
        os.write(2, b"the reason\\n")
        raise RuntimeError
except RuntimeError:
    assert native.text == "the reason\\n"
os.write(2, b"to the terminal\\n")
print("restored")
"""
    done = _run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "restored\n", "to the terminal\n")


def test_the_native_reason_is_in_the_error(tmp_path: Path) -> None:
    # The output scale is far below what XNNPACK accepts.
    path = write_classifier(tmp_path / "m.tflite", "int8", output_scale=1e-6)
    with pytest.raises(ModelFileError, match="failed to create XNNPACK runtime.*failed to prepare"):
        open_model(path)
