"""Commands whose images are run by the workers of a real Dask scheduler: the same bytes as without."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dask_cluster import Cluster
from edge_mnv3.core.results.calibration_statistics import StatisticsResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.validate import ValidateResult
from file_server import Handler, serving
from image_archives import jpeg, write_tar
from small_graph_commands import built_graph, made_photos, run
from tiny_models import write_classifier

distributed = pytest.importorskip("distributed", reason="needs the extra: pip install -e '.[dask]'")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals"),
    pytest.mark.xdist_group("dask commands"),  # one scheduler
]
IMAGES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small graph, photographs of which one is damaged, and a list of them."""
    folder = tmp_path_factory.mktemp("dask-commands")
    (folder / "photos").mkdir()
    made_photos(folder / "photos", IMAGES)
    (folder / "photos" / "07.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def dask(folder: Path) -> Iterator[tuple[str, ...]]:
    """Options that choose the engine; its workers are in another folder than this process."""
    cluster = Cluster(folder)
    cluster.have(folder, folder)
    yield "--engine", "dask", "--scheduler", cluster.address
    cluster.end()


def test_statistics_are_the_same_bytes(
    folder: Path, dask: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    graph = built_graph(tmp_path)
    collect = ("statistics", "collect", *graph, "--calibration", "photos")
    made = run(*collect, *dask, "-o", tmp_path / "dask.npz", "--json")
    assert made.exit_code == 0, made.output
    result = from_json(StatisticsResult, made.stdout)
    assert (result.facts.images, [each.file for each in result.facts.skipped]) == (IMAGES - 1, ["07.png"])
    local = run(*collect, "-o", tmp_path / "local.npz")
    assert local.exit_code == 0, local.output
    assert (tmp_path / "dask.npz").read_bytes() == (tmp_path / "local.npz").read_bytes()
    with distributed.Client(dask[-1], set_as_default=False) as client:
        modules = client.run(lambda: sorted(sys.modules))
    for names in modules.values():
        assert not {"tensorflow", "keras", "scipy"} & set(names)


def test_a_scheduler_that_is_not_there_is_told_before_work_begins(folder: Path, tmp_path: Path) -> None:
    graph = ("--variant", "small_minimalistic", "--weights", tmp_path / "none.h5")
    nobody = ("--engine", "dask", "--scheduler", "tcp://127.0.0.1:no")
    made = run(
        "statistics", "collect", *graph, "--calibration", folder / "photos", *nobody, "-o", tmp_path / "a.npz"
    )
    assert made.exit_code == 1
    assert "Dask scheduler tcp://127.0.0.1:no: got no answer" in made.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_has_the_same_rows(folder: Path, dask: tuple[str, ...], tmp_path: Path) -> None:
    """Labelled images are run by workers; the points are those of a sweep on this machine."""
    lines = [f"photos/{number:02}.png,{number % 4}" for number in range(IMAGES)]
    (folder / "val.csv").write_text("\n".join(("file,label", *lines)) + "\n")
    graph = built_graph(tmp_path)
    graph = [
        "--variants", "small_minimalistic", "--alphas", "0.35", "--input-size", "64", "--weights", graph[-1]
    ]  # fmt: skip
    what = ("--recipes", "fast", "--budgets", "0", "--calibration", folder / "photos", "--samples", "8")
    how = ("--cost", "modelled", "--data", folder / "val.csv", "--no-store", "--json")
    made = run("sweep", *graph, *what, *how, *dask, "-o", tmp_path / "dask")
    assert made.exit_code in (0, 3), made.output  # 3: random weights are not recommended
    assert "in 2 Dask threads" in made.stderr
    # What is done is taken as it is, and labelled images are run again.
    local = run("sweep", *graph, *what, *how, "-o", tmp_path / "dask")
    assert local.exit_code == made.exit_code, local.output
    by_dask, here = json.loads(made.stdout), json.loads(local.stdout)
    assert by_dask["rows"] == here["rows"]
    labelled, expected = (each["points"][0]["labelled"] for each in (by_dask, here))
    assert labelled == expected
    assert labelled["n"] == IMAGES - 1
    nobody = ("--engine", "dask", "--scheduler", "tcp://127.0.0.1:no")
    refused = run("sweep", *graph, *what, *how, *nobody, "-o", tmp_path / "none")
    assert (refused.exit_code, (tmp_path / "none").exists()) == (1, False)
    assert "Dask scheduler tcp://127.0.0.1:no: got no answer" in refused.stderr
    without = run("sweep", *graph, *what, *nobody, "-o", tmp_path / "none")
    assert "--engine: got no --data, expected --data, which it is for" in without.stderr


def test_workers_read_images_behind_a_url(folder: Path, dask: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra: pip install -e '.[remote]'")
    pytest.importorskip("aiohttp", reason="needs the extra: pip install -e '.[remote]'")
    tar = [
        (f"{number}.{end}", jpeg(number) if end == "jpg" else b"%d" % (number % 4))
        for number in range(IMAGES)
        for end in ("jpg", "cls")
    ]
    (tmp_path / "served").mkdir()
    write_tar(tmp_path / "served" / "val.tar", tar)
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    files = ("--float", float_path, "--int8", write_classifier(tmp_path / "q.tflite", "uint8"))
    how = ("--preprocess", "resize", "--input-range", "0..255", "--no-store", "--json")
    local = run("validate", *files, "--data", tmp_path / "served" / "val.tar", *how)
    with contextlib.contextmanager(serving)(tmp_path / "served", Handler) as url:
        made = run("validate", *files, "--data", f"{url}/val.tar", *how, *dask)
    assert made.exit_code == 0, made.output
    assert f"{IMAGES} images, " in made.stderr
    assert "in 2 Dask threads" in made.stderr
    by_dask, here = (from_json(ValidateResult, each.stdout) for each in (made, local))
    assert by_dask.figures == here.figures is not None
    assert (by_dask.n, by_dask.skipped) == (IMAGES, ())


def test_a_relative_list_is_named_as_it_was_given(
    folder: Path, dask: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    rows = [f"photos/{number:02}.png,{number % 4}" for number in (1, 2, 3, 3)]
    (folder / "d.csv").write_text("\n".join(("file,label", *rows)) + "\n")
    float_path = write_classifier(tmp_path / "f.tflite", "float32")
    files = ("--float", float_path, "--int8", write_classifier(tmp_path / "q.tflite", "uint8"))
    how = ("--data", "d.csv", "--preprocess", "resize", "--input-range", "0..255", "--no-store", "--json")
    by_dask, here = (run("validate", *files, *how, *engine) for engine in (dask, ()))
    assert by_dask.exit_code == here.exit_code == 0, by_dask.output
    assert by_dask.stdout == here.stdout
    assert "1 of 4 rows of CSV d.csv name a file again" in here.stdout
