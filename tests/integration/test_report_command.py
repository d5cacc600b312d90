"""`edge-mnv3 report`: from files to a file, and the page in a real browser."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edge_mnv3.cli import main
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.image_marks import images_sha256
from edge_mnv3.core.result_files import read_quantize_result
from edge_mnv3.core.results.images import ImageRecord
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.model_facts import InputFacts, OutputFacts, Task
from edge_mnv3.core.results.validate import ImageAnswers, OutputComparison, ValidateResult
from edge_mnv3.html_report.gathered import gather
from edge_mnv3.html_report.page import PRINTED_ROWS
from edge_mnv3.stages.report_names import class_names
from edge_mnv3.stages.validated_images import named_hashes
from edge_mnv3_calibration_data.source_kinds import open_images
from headless_chromium import Browser, Screen, browser, chromium
from html_outline import Outline
from report_runs import FORMATS, RUN, diagnosed, found, of_other_int8, quantized, swept, validated

NAME = "<script>alert('a').png"  # no slash: it is the name of a file
FACTS = InputFacts(height_px=32, width_px=32, channels=3, mean=(0.0,), std=(1.0,), range_source="graph")


def run_report(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of earlier releases."""
    made = tmp_path / "out"
    made.mkdir()
    for name in RUN:
        shutil.copy(FORMATS / name, made / name)
    return made


def compared(images: Path) -> ValidateResult:
    """A comparison on two images that lie in a folder, one of which changed its answer."""
    old = validated()
    names, labels = [NAME, "b.png"], [1, 2]
    rows = "".join(f"{name},{label}\n" for name, label in zip(names, labels, strict=True))
    images.mkdir()
    for place, name in enumerate(names):
        noise = np.random.default_rng(place).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(images / name, "PNG")
    (images / "val.csv").write_text(f"file,label\n{rows}")
    return dataclasses.replace(
        old,
        n=2,
        data=str(images / "val.csv"),
        float_=dataclasses.replace(old.float_, input=FACTS),
        int8=dataclasses.replace(old.int8, input=FACTS),
        worst=(dataclasses.replace(old.worst[0], file=NAME, label=1, float_class=1, int8_class=2),),
        skipped=(),
        image_answers=ImageAnswers(sha256=images_sha256(names, labels), float_right="c0", int8_right="40"),
    )


def test_a_folder_becomes_a_page(folder: Path) -> None:
    told = json.loads(run_report(folder, "--json").stdout)
    page = folder / "report.html"
    assert told["path"] == str(page)
    assert told["size_bytes"] == page.stat().st_size
    assert [source["command"] for source in told["sources"]] == [
        *("diagnose", "bench --host", "quantize", "validate"),
    ]
    assert [section["key"] for section in told["sections"] if not section["present"]] == [
        "ranges",
        "published",
    ]
    assert told["left_out"] == []
    assert Outline(page.read_text(encoding="utf-8")).problems == []
    first = page.read_bytes()
    assert "exists already" in run_report(folder).stderr
    assert run_report(folder, "--force").exit_code == 0
    assert page.read_bytes() == first


def test_what_is_of_another_file_is_told_or_refused(folder: Path) -> None:
    other = folder / "validate-v1.json"
    other.write_text(to_json(of_other_int8(validated())))
    result = run_report(folder, "-o", folder / "a.html")
    assert result.exit_code == 0
    assert "validate-v1.json: left out: figures of another int8 file" in result.stderr
    refused = run_report(folder / "quantize-v3.json", other, "-o", folder / "b.html")
    assert refused.exit_code == 1
    assert "figures of another int8 file (ffffffffffff…" in refused.stderr
    assert not (folder / "b.html").exists()


def test_damaged_and_foreign_files(folder: Path) -> None:
    (folder / "empty.json").write_text("")
    (folder / "other.json").write_text('{"a": 1}')
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    told = json.loads(run_report(folder, "--json").stdout)
    assert [Path(each["path"]).name for each in told["left_out"]] == [
        *("empty.json", "folder.json", "other.json", "pipe.json"),
    ]
    named = run_report(folder, folder / "other.json", "--force")
    assert (
        "other.json: got a file of another kind, expected JSON that run, quantize, demo, sweep,"
        in named.stderr
    )
    (folder / "later.json").write_text(
        to_json(validated()).replace('"schema_version": ', '"schema_version": 9')
    )
    later = run_report(folder, "--force")
    assert (later.exit_code, "this program reads" in later.stderr) == (1, True)
    assert "no such file" in run_report(folder / "nothing").stderr
    (folder / "bare").mkdir()
    bare = run_report(folder / "bare").stderr
    assert "a folder without JSON results, expected what edge-mnv3 run, quantize, demo, sweep," in bare


def test_of_a_sweep_the_recommended_point_is_shown(folder: Path, tmp_path: Path) -> None:
    sweep = swept(quantized().int8_sha256)
    advised = dataclasses.replace(sweep.recommendation, point="point")
    folder.rename(tmp_path / "point")
    (tmp_path / "sweep.json").write_text(to_json(dataclasses.replace(sweep, recommendation=advised)))
    (tmp_path / "point" / "held_out.json").write_text("{}")
    told = json.loads(run_report(tmp_path, "--json").stdout)
    assert told["int8_sha256"] == quantized().int8_sha256
    assert "sweep" in [section["key"] for section in told["sections"]]
    assert told["left_out"] == []
    none = dataclasses.replace(sweep.recommendation, row=None, point=None)
    (tmp_path / "sweep.json").write_text(to_json(dataclasses.replace(sweep, recommendation=none)))
    refused = run_report(tmp_path, "--force")
    assert "a sweep that recommends no point" in refused.stderr
    assert run_report(tmp_path / "point", tmp_path / "sweep.json").exit_code == 0


def test_pictures_are_shown_where_the_images_are_the_same(folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    (folder / "validate-v1.json").write_text(to_json(compared(images)))
    told = json.loads(run_report(folder, "--json").stdout)
    assert told["pictures"] == 1
    page = (folder / "report.html").read_text(encoding="utf-8")
    (picture,) = Outline(page).of("img")
    assert picture["src"].startswith("data:image/jpeg;base64,")
    assert NAME in picture["alt"]

    (images / "val.csv").write_text(f"file,label\n{NAME},1\nb.png,3\n")
    told = json.loads(run_report(folder, "--json", "--force").stdout)
    assert told["pictures"] == 0
    assert "are others than those that were compared" in (folder / "report.html").read_text(encoding="utf-8")

    moved = images.rename(tmp_path / "moved")
    (moved / "val.csv").write_text(f"file,label\n{NAME},1\nb.png,2\n")
    assert json.loads(run_report(folder, "--json", "--force").stdout)["pictures"] == 0
    again = run_report(folder, "--json", "--force", "--data", moved / "val.csv")
    assert json.loads(again.stdout)["pictures"] == 1


def test_pictures_are_known_by_their_bytes_where_these_are_recorded(folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    result = compared(images)
    hashes = named_hashes(result, open_images(images / "val.csv"))
    assert hashes == {NAME: hashlib.sha256((images / NAME).read_bytes()).hexdigest()}
    (folder / "validate-v1.json").write_text(to_json(dataclasses.replace(result, image_sha256=hashes)))
    assert json.loads(run_report(folder, "--json").stdout)["pictures"] == 1
    page = folder / "report.html"
    assert "Each picture has the SHA-256 of the image that was compared" in page.read_text(encoding="utf-8")

    # Another picture under the same name, with the same label: nothing but its bytes tells.
    shutil.copy(images / "b.png", images / NAME)
    assert json.loads(run_report(folder, "--json", "--force").stdout)["pictures"] == 0
    assert "1 of 1 pictures are not shown" in page.read_text(encoding="utf-8")


def test_calibration_images_are_checked_by_their_hash(folder: Path, tmp_path: Path) -> None:
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (40, 40), colour).save(tmp_path / name)
    records = tuple(
        ImageRecord(
            file=name, sha256=hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest(), label=None
        )
        for name in ("a.png", "b.png")
    )
    manifest = dataclasses.replace(quantized().calibration, kind="folder", root=str(tmp_path), images=records)
    (folder / "quantize-v3.json").write_text(to_json(quantized(calibration=manifest)))
    told = json.loads(run_report(folder, "--json").stdout)
    assert told["pictures"] == 1
    assert "1 of 2 images are not shown: image b.png" in (folder / "report.html").read_text(encoding="utf-8")


def test_another_file_at_the_path_of_a_model_is_told(folder: Path) -> None:
    name = Path(quantized().int8_path).name
    (folder / name).write_bytes(b"another model")
    (left_out,) = json.loads(run_report(folder, "--json").stdout)["left_out"]
    assert left_out["path"] == str(folder / name)
    assert "another file lies here now" in (folder / "report.html").read_text(encoding="utf-8")


def outputs_of(*tasks: Task) -> ValidateResult:
    """A comparison whose outputs have these tasks."""
    facts = [
        OutputFacts(name=f"out{place}", shape=(1 if task == "binary" else 3,), activation="none", task=task)
        for place, task in enumerate(tasks)
    ]
    compared = [
        OutputComparison(
            output=each, labelled=True, agreement_percent=None, threshold=None, scores=(), similarity=None
        )
        for each in facts
    ]
    return dataclasses.replace(validated(), outputs=tuple(compared))


def test_names_are_of_one_output(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\n")
    names = class_names(gather([found(quantized()), found(outputs_of("classes", "classes"))]), labels)
    assert (names.of_output("out0").of(1), names.of_output("out1").of(1)) == ("b (1)", "class 1")
    labels.write_text("drinkable\n")
    binary = class_names(gather([found(quantized()), found(outputs_of("binary"))]), labels)
    assert (binary.of(0), binary.of(1)) == ("not drinkable (0)", "drinkable (1)")
    two = gather([found(quantized()), found(outputs_of("classes"))])
    with pytest.raises(InputFileError, match="1 name, expected 3"):
        class_names(two, labels)


def test_names_of_classes(tmp_path: Path) -> None:
    run = gather([found(quantized()), found(validated())])
    assert class_names(run, None).names == ()
    assert class_names(run, "imagenet").of(0) == "tench (0)"
    few = tmp_path / "few.txt"
    few.write_text("one\n")
    with pytest.raises(InputFileError, match="1 name, expected more than"):
        class_names(run, few)
    with pytest.raises(ArgumentError, match="a result of validate"):
        class_names(gather([found(quantized())]), few)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    with browser(program, tmp_path_factory.mktemp("profile")) as page:
        yield page


# Every text against the nearest ground that is painted: WCAG 2's ratio, 4.5 for texts of this size.
FAINT = """(() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = [];
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || each.closest("script, svg, .skip")) continue;
    let under = each;
    let ground = [0, 0, 0, 0];
    while (under && ground[3] === 0) {
      const found = numbers(getComputedStyle(under).backgroundColor);
      ground = found.length === 3 ? [...found, 1] : found;
      under = under.parentElement;
    }
    const [a, b] = [light(numbers(getComputedStyle(each).color)), light(ground)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(each.outerHTML.slice(0, 80));
  }
  return faint;
})()"""
WIDE = (
    "[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1"
)
WIDE += " && !e.closest('.scroll, .contents, .skip')).map((e) => e.outerHTML.slice(0, 80))"


def test_in_a_browser(folder: Path, tmp_path: Path, chrome: Browser) -> None:
    (folder / "validate-v1.json").write_text(to_json(compared(tmp_path / "images")))
    assert run_report(folder).exit_code == 0
    page = folder / "report.html"
    for screen in (Screen(390), Screen(1280), Screen(1280, scheme="dark")):
        chrome.show(page, screen)
        assert chrome.errors == []
        assert [each for each in chrome.requests if not each.startswith("data:")] == []
        assert chrome.value("document.documentElement.scrollWidth") == screen.width_px
        assert chrome.value(WIDE) == []
        assert chrome.value(FAINT) == []
    assert chrome.value("document.images[0].naturalWidth") == 32
    inks = []
    for scheme in ("light", "dark"):
        chrome.show(page, Screen(800, scheme=scheme))
        inks.append(chrome.value("getComputedStyle(document.body).color"))
    assert inks[0] != inks[1]
    assert chrome.pdf().startswith(b"%PDF")


def test_paper_has_the_first_rows_of_long_tables(folder: Path, chrome: Browser) -> None:
    report = read_quantize_result(FORMATS / "quantize-v7.json").recipe_report
    assert report is not None
    long = dataclasses.replace(report, ranges=report.ranges[:1] * (PRINTED_ROWS + 5))
    (folder / "quantize-v3.json").write_text(to_json(quantized(recipe_report=long)))
    assert run_report(folder).exit_code == 0
    chrome.show(folder / "report.html", Screen(1280))
    row = "[...document.querySelector('table.long').tBodies[0].rows]"
    shown = f"{row}.filter((each) => getComputedStyle(each).display !== 'none').length"
    told = "getComputedStyle(document.querySelector('.printed')).display"
    assert (chrome.value(shown), chrome.value(told)) == (PRINTED_ROWS + 5, "none")
    chrome.call("Emulation.setEmulatedMedia", media="print")
    assert (chrome.value(shown), chrome.value(told)) == (PRINTED_ROWS, "block")
    chrome.call("Emulation.setEmulatedMedia", media="")


def test_tables_sort_and_stand_in_order_without_scripts(folder: Path, chrome: Browser) -> None:
    (layer, *_) = diagnosed().layers
    layers = tuple(dataclasses.replace(layer, block=f"block {snr}", snr_db=snr) for snr in (20.0, 30.0, 10.0))
    (folder / "diagnose-v1.json").write_text(to_json(diagnosed(layers=layers)))
    assert run_report(folder).exit_code == 0
    table = "[...document.querySelectorAll('table')].find((t) => t.caption.textContent.includes('by block'))"
    levels = f"[...{table}.tBodies[0].rows].map((row) => Number(row.cells[1].dataset.sort))"
    head = f"{table}.tHead.rows[0].cells[1]"
    chrome.show(folder / "report.html", Screen(1280))
    before = chrome.value(levels)
    assert before == [20.0, 30.0, 10.0]
    for order in ("ascending", "descending"):
        chrome.value(f"{head}.querySelector('button').click()")
        assert chrome.value(levels) == sorted(before, reverse=order == "descending")
        assert chrome.value(f"{head}.getAttribute('aria-sort')") == order
    chrome.show(folder / "report.html", Screen(1280), script=False)
    assert chrome.value("document.querySelectorAll('button').length") == 0
    assert chrome.value(levels) == before
