"""Labels and score calibration."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.packaging.labels import (
    default_labels,
    imagenet_labels,
    imagenet_labels_license,
    imagenet_labels_with_background,
    parse_labels,
)
from edge_mnv3.packaging.score_calibration import check_score_calibration


def test_imagenet_labels() -> None:
    labels = imagenet_labels()
    assert len(set(labels.names)) == 1000
    assert (labels.names[0], labels.names[134], labels.names[517], labels.names[999]) == (
        "tench",
        "crane bird",
        "crane",
        "toilet tissue",
    )
    stored = (resources.files("edge_mnv3") / "data" / "imagenet_labels.txt").read_bytes()
    assert labels.content() == stored
    assert hashlib.sha256(stored).hexdigest().startswith("ee4fa67b1dd4")
    assert b"Redistribution and use" in imagenet_labels_license()


def test_imagenet_labels_are_in_the_order_of_the_weights(test_data: Path) -> None:
    """Against an independent list of all synonyms; two names there stand twice and are told apart here."""
    synonyms = (test_data / "imagenet" / "labels.txt").read_text(encoding="utf-8").splitlines()
    different = {
        index
        for index, (name, line) in enumerate(zip(imagenet_labels().names, synonyms, strict=True))
        if name.lower() != line.split(",")[0].strip().lower()
    }
    assert different <= {134, 639}


def test_other_class_counts_need_labels() -> None:
    assert default_labels(1000) == imagenet_labels()
    assert default_labels(1001) == imagenet_labels_with_background()
    assert default_labels(1001).names[:2] == ("background", "tench")
    assert len(default_labels(1001).names) == 1001
    with pytest.raises(InputFileError) as caught:
        default_labels(5)
    assert str(caught.value) == (
        "labels: got none, expected names for the model's 5 classes; "
        "use --labels with a text file, one name a "
        "line, or with the folder of class folders"
    )


@pytest.mark.parametrize(
    "content",
    [b"a\nb c\n", b"a\nb c", b"a\r\nb c\r\n", b"\xef\xbb\xbfa\nb c\n\n", b" a\nb c \n"],
)
def test_forms_of_a_label_file(content: bytes) -> None:
    labels = parse_labels(content, name="l.txt", class_count=2)
    assert labels.names == ("a", "b c")
    assert labels.content() == b"a\nb c\n"
    assert (labels.source, labels.license) == ("l.txt", None)


@pytest.mark.parametrize(
    "label",
    [
        "\N{ARABIC LETTER MEEM}\N{ARABIC LETTER YEH}\N{ZERO WIDTH NON-JOINER}\N{ARABIC LETTER KHAH}",
        "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}",
        "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}",
        "\N{WAVING BLACK FLAG}\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "\N{RIGHT-TO-LEFT MARK}abc",
    ],
)
def test_scripts_that_are_written_with_invisible_characters(label: str) -> None:
    assert parse_labels(f"{label}\nb\n".encode(), name="l.txt", class_count=2).names == (label, "b")


@pytest.mark.parametrize(("count", "told"), [(999, False), (1000, True), (1001, True)])
def test_a_list_of_imagenet_with_a_name_twice(count: int, told: bool) -> None:
    names = [f"n{place}" for place in range(count - 1)]
    with pytest.raises(InputFileError) as caught:
        parse_labels("\n".join([*names, "n0"]).encode(), name="l.txt", class_count=None)
    assert f"labels l.txt, line {count}: got 'n0' again, as in line 1" in str(caught.value)
    assert ("for ImageNet's classes leave the list out" in str(caught.value)) is told


@pytest.mark.parametrize(
    "label",
    [
        "a\N{RIGHT-TO-LEFT OVERRIDE}b",
        "a\N{LINE SEPARATOR}b",
        "\N{ZERO WIDTH JOINER}",
        "a\N{ZERO WIDTH SPACE}",
    ],
)
def test_refused_invisible_characters(label: str) -> None:
    with pytest.raises(InputFileError, match="line 1: got control characters in"):
        parse_labels(f"{label}\nb\n".encode(), name="l.txt", class_count=2)


@pytest.mark.parametrize(
    ("first", "second"),
    [("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"), ("\ufb01sh", "fish")],
)
def test_labels_that_look_the_same(first: str, second: str) -> None:
    with pytest.raises(InputFileError) as caught:
        parse_labels(f"{first}\n{second}\n".encode(), name="l.txt", class_count=2)
    assert str(caught.value) == (
        f"labels l.txt, line 2: got '{second}' again, as in line 1 in other characters that look the same, "
        "expected a different name for each class"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a\nb\n", "labels l.txt: got 2 labels, expected 3, as many as the model has classes"),
        (b"", "labels l.txt, line 1: got an empty label, expected a name for each class"),
        (b"a\n\nc\n", "labels l.txt, line 2: got an empty label, expected a name for each class"),
        (
            b"a\nb\na\n",
            "labels l.txt, line 3: got 'a' again, as in line 1, expected a different name for each class",
        ),
        (
            b"a\nb\x07\nc\n",
            r"labels l.txt, line 2: got control characters in 'b\x07', expected printable text",
        ),
        (
            b"a\nb\ncaf\xe9\n",
            "labels l.txt, line 3: got byte 0xe9, expected UTF-8; "
            "convert it, for example with iconv -t UTF-8 l.txt",
        ),
    ],
)
def test_refused_labels(content: bytes, problem: str) -> None:
    with pytest.raises(InputFileError) as caught:
        parse_labels(content, name="l.txt", class_count=3)
    assert str(caught.value) == problem


def test_score_calibration() -> None:
    content = b"1,2.5,-0.5\r\n\r\n0.9,1,0,0.2"
    assert check_score_calibration(content, name="c", class_count=3) == b"1,2.5,-0.5\n\n0.9,1,0,0.2"


@pytest.mark.parametrize("line", ["1,2", "1,2,3,4,5", "a,b,c", "-1,2,3", "nan,1,1", "1,inf,1"])
def test_refused_score_calibration(line: str) -> None:
    with pytest.raises(InputFileError) as caught:
        check_score_calibration(f"1,1,1\n{line}\n".encode(), name="c", class_count=2)
    assert str(caught.value).startswith(
        f"score calibration c, line 2: got {line!r}, expected 'scale,slope,offset'"
    )


def test_score_calibration_of_another_class_count() -> None:
    with pytest.raises(InputFileError, match="score calibration c: got 1 line, expected 2, one for each"):
        check_score_calibration(b"1,1,1\n", name="c", class_count=2)
