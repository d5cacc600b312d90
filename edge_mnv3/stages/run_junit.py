"""A run as JUnit XML: a test case for each stage and each gate, as GitHub, GitLab and Jenkins read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from edge_mnv3.core.errors import OutputError
from edge_mnv3.core.outputs import check_writable, write_text
from edge_mnv3.core.results.run import RunGate, RunResult, RunStage
from edge_mnv3.stages.run_gates import QUOTABLE, WARNED

_SUITES = "edge-mnv3 run"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What the name of a gate ends with, and the unit of its figures.
_UNITS = {
    "_percent": " %",
    "_points": " points",
    "_bytes": " bytes",
    "_instructions": " instructions",
    "_checks": " problems",
}


def check_junit(path: Path) -> None:
    """Refuses a path that cannot be written, or at which something else lies than such a file.

    Raises:
        OutputError: One of the two.
    """
    check_writable([path], force=True)
    if not path.exists():
        return
    try:
        start = path.read_bytes()[:400].decode("utf-8", "replace")
    except OSError as error:
        raise OutputError(f"--junit {path}: {error.strerror}") from error
    if start.strip() and f'<testsuites name="{_SUITES}"' not in start:
        raise OutputError(f"--junit {path}", "another file of that name", "a name of its own", "use another")


def write_junit(path: Path, result: RunResult) -> None:
    """Writes a run as JUnit XML, over that of an earlier run.

    Raises:
        OutputError: The system refused to write.
    """
    write_text(path, junit(result), force=True)


def write_junit_error(path: Path, text: str) -> None:
    """Writes that a run could not begin, over the file of an earlier run, which would tell of that one.

    Raises:
        OutputError: Something else lies there, or the system refused to write.
    """
    check_junit(path)
    case = _case("run", "begin", 0.0)
    _add(case, "error", text)
    write_text(path, _xml((("run", [case]),), 0.0), force=True)


def junit(result: RunResult) -> str:
    """A run as JUnit XML; what failed is an error where it is a stage, and a failure where it is a gate."""
    suites = (
        ("stages", [_stage(stage) for stage in result.stages]),
        ("gates", [_gate(gate) for gate in result.gates]),
    )
    return _xml(suites, sum(stage.seconds for stage in result.stages))


def _xml(suites: Sequence[tuple[str, list[ElementTree.Element]]], seconds: float) -> str:
    root = ElementTree.Element("testsuites", name=_SUITES)
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for name, cases in suites:
        suite = ElementTree.SubElement(root, "testsuite", name=name)
        counts = {
            "tests": len(cases),
            "failures": sum(case.find("failure") is not None for case in cases),
            "errors": sum(case.find("error") is not None for case in cases),
            "skipped": sum(case.find("skipped") is not None for case in cases),
        }
        for key, count in counts.items():
            suite.set(key, str(count))
            totals[key] += count
        suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
        suite.extend(cases)
    for key, count in totals.items():
        root.set(key, str(count))
    root.set("time", f"{seconds:.3f}")
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _stage(stage: RunStage) -> ElementTree.Element:
    case = _case("stages", stage.name, stage.seconds)
    if stage.status == "failed":
        _add(case, "error", stage.reason)
    elif stage.status == "skipped":
        _add(case, "skipped", stage.reason)
    else:
        lines = [*filter(None, [stage.reason]), *(f"warning: {text}" for text in stage.warnings)]
        if lines:
            ElementTree.SubElement(case, "system-out").text = _text("\n".join(lines))
    return case


def _gate(gate: RunGate) -> ElementTree.Element:
    case = _case("gates", gate.name, 0.0)
    words = gate_words(gate)
    if gate.passed:
        ElementTree.SubElement(case, "system-out").text = _text(words)
    else:
        _add(case, "failure", words)
    return case


def gate_words(gate: RunGate) -> str:
    """Says what was measured, and what the limit is, in their unit."""
    if gate.name == QUOTABLE:  # it has no figure but 0
        return gate.detail.removeprefix(f"{WARNED} ") or "every latency can be quoted"
    value = "no figure" if gate.value is None else _figure(gate.name, gate.value)
    detail = f"; {gate.detail}" if gate.detail else ""
    return f"{value}, limit {_figure(gate.name, gate.limit)}{detail}"


def _figure(name: str, value: float) -> str:
    unit = next((word for end, word in _UNITS.items() if name.endswith(end)), "")
    return f"{value:,.10g}{unit.removesuffix('s') if value == 1 else unit}"


def _case(suite: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.Element("testcase", classname=f"edge-mnv3.{suite}", name=name, time=f"{seconds:.3f}")


def _add(case: ElementTree.Element, kind: str, text: str) -> None:
    ElementTree.SubElement(case, kind, message=_text(text)).text = _text(text)


def _text(text: str) -> str:
    """Without what XML has no form for."""
    return _NO_XML.sub("\ufffd", text)
