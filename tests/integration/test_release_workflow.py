"""The workflow that publishes: it may do no more than it needs, and publishes only the version of its tag."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.versions import __version__

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install 'edge-mnv3[dev]'")
ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
if not WORKFLOW.is_file():
    pytest.skip("an sdist holds no workflows", allow_module_level=True)


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    read = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert isinstance(read, dict)
    return read


def steps(job: dict[str, Any]) -> list[str]:
    return [step.get("uses", "").partition("@")[0] for step in job["steps"]]


def test_tags_alone_start_it_and_nothing_is_allowed_to_all_jobs(workflow: dict[Any, Any]) -> None:
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML reads the key `on` so
    assert workflow["permissions"] == {}
    assert list(workflow["jobs"]) == ["build", "publish"]


def test_what_is_built_has_its_provenance(workflow: dict[Any, Any]) -> None:
    build = workflow["jobs"]["build"]
    assert build["permissions"] == {"contents": "read", "id-token": "write", "attestations": "write"}
    order = [name for name in steps(build) if name]
    assert order.index("actions/attest-build-provenance") < order.index("actions/upload-artifact")
    attested = next(step for step in build["steps"] if "attest" in step.get("uses", ""))
    assert attested["with"]["subject-path"] == "dist/*"


def test_publishing_trusts_the_workflow_and_no_password(workflow: dict[Any, Any]) -> None:
    publish = workflow["jobs"]["publish"]
    assert publish["needs"] == "build"
    assert publish["environment"]["name"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    assert steps(publish) == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    assert publish["steps"][-1]["with"] == {"attestations": True}
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")


@pytest.mark.parametrize(("tag", "code"), [(f"v{__version__}", 0), (__version__, 1), ("v0.0.1", 1)])
def test_another_tag_than_the_version_stops_it(tag: str, code: int, workflow: dict[Any, Any]) -> None:
    (script,) = (
        step["run"]
        for step in workflow["jobs"]["build"]["steps"]
        if step.get("name") == "The tag is the version"
    )
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=ROOT, env={"GITHUB_REF_NAME": tag, "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == code


@pytest.mark.parametrize(
    "path",
    [*WORKFLOW.parent.glob("*.yml"), ROOT / "examples" / "github-actions.yml"],
    ids=lambda path: path.name,
)
def test_every_script_of_a_workflow_is_read_by_its_shell(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert scripts
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert "${{" not in script  # what a pull request may write would be run


def test_the_version_has_its_heading() -> None:
    """The newest one in the changelog, with a date, above which only what is not released yet may stand."""
    headings = re.findall(
        r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    released = [each for each in headings if each[0] != "Unreleased"]
    assert released[0][0] == __version__
    assert re.fullmatch(r" - \d{4}-\d\d-\d\d", released[0][1])
