"""`export` of a run: accuracy, size and instructions in the forms of other programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.stages import run as stage
from run_doubles import ALL, OUT, Commands, made_inputs, run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "code_sha256", lambda: "code")
    made_inputs()


def export(form: str) -> Result:
    return CliRunner().invoke(main, ["export", str(OUT / "run.json"), "--as", form])


def test_bencher_gets_all_figures() -> None:
    run(Commands())
    done = export("bencher")
    assert done.exit_code == 0, done.stderr
    metrics = json.loads(done.stdout)
    assert metrics["m_int8.tflite"] == {"file-size": {"value": 262960.0}}
    validated = json.loads((OUT / "validate.json").read_text())
    counted = json.loads((OUT / "cost.json").read_text())
    measures = [name for each in metrics.values() for name in each]
    assert measures.count("top1-percent") == 2
    assert measures.count("agreement-percent") == 1
    assert measures.count("instructions") == sum(len(file["cpus"]) for file in counted["files"])
    assert measures.count("latency") <= 1
    (agreement,) = [
        each["agreement-percent"]["value"] for each in metrics.values() if "agreement-percent" in each
    ]
    assert agreement == validated["agreement_percent"]


def test_another_file_is_told_what_export_takes() -> None:
    Path("sweep.json").write_text('{"points": []}')
    done = CliRunner().invoke(main, ["export", "sweep.json"])
    assert done.exit_code == 1
    assert done.stderr.endswith(
        "got another file, expected the JSON of bench or reproduce, or the run.json of a run\n"
    )


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_result_that_the_run_did_not_write_is_refused(change: str) -> None:
    run(Commands())
    path = OUT / "validate.json"
    text = path.read_text()
    if change == "other":
        path.write_text(text.replace('"agreement_percent": ', '"agreement_percent":  '))
    else:
        path.unlink()
    done = export("bencher")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    said = "got another file than the run wrote" if change == "other" else "got no such file"
    assert f"result {path}: {said}" in done.stderr


def test_in_the_other_form_less_is_better() -> None:
    run(Commands())
    rows = {row["name"]: row for row in json.loads(export("github-action-benchmark").stdout)}
    validated = json.loads((OUT / "validate.json").read_text())
    (wrong,) = [row for name, row in rows.items() if name.endswith("100 less agreement-percent")]
    assert wrong["value"] == pytest.approx(100 - validated["agreement_percent"], abs=1e-6)
    assert rows["m_int8.tflite, file-size"] == {
        **{"name": "m_int8.tflite, file-size", "unit": "bytes", "value": 262960.0}
    }


def test_other_forms_take_the_latencies_alone() -> None:
    run(Commands())
    done = export("csv")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("\n") == 2
    run(Commands(), ALL.replace("[bench]\n", ""))
    assert export("csv").stdout.count("\n") == 1
    assert "none with a figure to quote" in export("pyperf").stderr
    (OUT / "cost.json").write_text("{}")
    assert export("bencher").exit_code == 1
