"""CSVs and lists as people write them: blanks, delimiters, backslashes, other columns, missing files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import check_labelled
from edge_mnv3_calibration_data.csv_columns import read_labels, read_table
from edge_mnv3_calibration_data.source_kinds import open_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for index, name in enumerate(("a.jpg", "b.jpg", "sub/c.jpg", "x, y.jpg")):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / name)
    return tmp_path


def rows(path: Path, content: str | bytes) -> list[tuple[str, int | None]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = open_images(path)
    return [(source.name(index), label) for index, label in enumerate(source.labels())]


@pytest.mark.parametrize(
    "content",
    [
        "file, label\na.jpg, 0\nsub/c.jpg, 1\n",
        "\ufefffile,label\r\na.jpg,0\r\nsub/c.jpg,1\r\n",
        " File ,LABEL\n a.jpg ,0 \n sub/c.jpg ,1 \n",
        "file;label\na.jpg;0\nsub/c.jpg;1\n",
        "file\tlabel\na.jpg\t0\nsub/c.jpg\t1\n",
        "sep=;\nfile;label\na.jpg;0\nsub/c.jpg;1\n",
        "file|label\na.jpg|0\nsub/c.jpg|1\n",
        "file,label\na.jpg,0\nsub\\c.jpg,1\n",
        "file,label\n.\\a.jpg,0\nsub\\c.jpg,1\n",
        "filename,class\na.jpg,0\nsub/c.jpg,1\n",
        "label_id,Image Path\n0,a.jpg\n1,sub/c.jpg\n",
        ",path,width,target\n0,a.jpg,8,0\n1,sub/c.jpg,8,1\n",
        "file,label,class\na.jpg,0,7\nsub/c.jpg,1,8\n",
        "file,label\na.jpg,0.0\nsub/c.jpg,1.0\n",
        'file,label\n"a.jpg","0"\n"sub/c.jpg", "1"\n',
        "\n\nfile,label\n\na.jpg,0\n,,\nsub/c.jpg,1\n\n",
    ],
    ids=range(16),
)
def test_written_in_many_ways(folder: Path, content: str) -> None:
    read = [(name.removeprefix("./"), label) for name, label in rows(folder / "l.csv", content)]
    assert read == [("a.jpg", 0), ("sub/c.jpg", 1)]


def test_tsv(folder: Path) -> None:
    assert rows(folder / "l.tsv", "file\tlabel\na.jpg\t4\n") == [("a.jpg", 4)]


def test_a_backslash_in_a_name_is_kept(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "d\\e.jpg")
    assert rows(folder / "l.csv", "file\nd\\e.jpg\n") == [("d\\e.jpg", None)]


def test_labels_that_are_names(folder: Path) -> None:
    (folder / "l.csv").write_text("file,label\na.jpg,cat\nb.jpg,big dog\n")
    source = open_images(folder / "l.csv")
    assert source.labels() == [None, None]
    assert source.label_names() == ["cat", "big dog"]
    with pytest.raises(
        CalibrationDataError, match="got labels that are names, such as 'cat', and no numbers"
    ):
        open_images(folder / "l.csv", need_labels=True)


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ("a.jpg,0\nb.jpg,1\n", InputFileError, "got columns a.jpg, 0, expected the columns file and, if "
         "known, label; the first line names the columns: write file,label above it"),
        ("bild;klasse\na.jpg;0\n", InputFileError, "got columns bild, klasse, expected the columns file and"),
        ("image,image_path,label\na,b,0\n", InputFileError,
         "got columns image and image_path, expected one column of files; call it file"),
        ("file,class,target\na.jpg,0,1\n", InputFileError,
         "got columns class and target, expected one column of labels; call it label"),
        ("file,label\nx, y.jpg,0\n", InputFileError,
         "line 2: got 3 cells, expected 2, one a column; write a name with ',' in it between double quotes"),
        ("file,label\n,3\n", CalibrationDataError, "line 2: got the label 3 and no file, expected both"),
        ("file,label\na.jpg,0\nb.jpg,\n", CalibrationDataError, "line 3: got none, expected a class number"),
        ("file,label\n\na.jpg,-1\n", CalibrationDataError,
         "line 3: got '-1', expected a class number from 0 on"),
        ("file,label\nz/1.jpg,0\nz/2.jpg,1\n", CalibrationDataError,
         "none of its 2 files is there: got first z/1.jpg, looked for in {folder}, expected paths"),
        ("file,label\nC:\\data\\1.jpg,0\n", CalibrationDataError,
         "its one file is not there: got first C:/data/1.jpg, looked for in {folder}"),
        ('file,label\na.jpg,0\n"b.jpg,1\nc.jpg,2\n', InputFileError,
         "line 3: got unexpected end of data, expected quotes in pairs, around whole cells"),
        ('file,label\n"a".jpg,0\n', InputFileError, "line 2: got ',' expected after"),
        (b"\xff\xfef\0i\0l\0e\0\n\0", InputFileError, "expected UTF-8 text; save it as CSV UTF-8"),
    ],
    ids=range(13),
)  # fmt: skip
def test_refused_each_with_its_own_line(folder: Path, content: str | bytes, kind: type, text: str) -> None:
    with pytest.raises(kind) as caught:
        rows(folder / "l.csv", content)
    assert text.format(folder=folder) in str(caught.value)
    assert str(folder / "l.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_among_others_is_found_when_it_is_read(folder: Path) -> None:
    assert rows(folder / "l.csv", "file,label\nz/1.jpg,0\na.jpg,1\n") == [("z/1.jpg", 0), ("a.jpg", 1)]


def test_labels_are_not_dropped_without_a_word(folder: Path) -> None:
    (folder / "l.csv").write_text("file,klasse,weight\na.jpg,0,1\n")
    source = open_images(folder / "l.csv")
    assert source.columns == ("klasse", "weight")
    assert (source.cell(0, "klasse"), source.cell(0, "weight")) == ("0", "1")
    with pytest.raises(CalibrationDataError, match="no column label, but klasse, weight"):
        open_images(folder / "l.csv", need_labels=True)


def test_files_that_are_named_twice(folder: Path) -> None:
    (folder / "l.csv").write_text("file,label\na.jpg,0\nb.jpg,1\nb.jpg,1\na.jpg,2\n")
    assert open_images(folder / "l.csv").remarks == (
        f"2 of 4 rows of CSV {folder / 'l.csv'} name a file again, such as a.jpg in lines 2 and 5 "
        "with labels 0 and 2",
    )


def test_list_with_backslashes_and_without_files(folder: Path) -> None:
    assert rows(folder / "l.txt", "sub\\c.jpg\na.jpg\n") == [("sub/c.jpg", None), ("a.jpg", None)]
    with pytest.raises(
        CalibrationDataError, match=rf"list .*: its one file is not there: got first a.jpg zero, .*{folder}"
    ):
        rows(folder / "l.txt", "a.jpg zero\n")


@given(
    cells=st.lists(
        st.tuples(st.text("abc ,;\t\"'äß\\.", min_size=1, max_size=12), st.integers(0, 2000)),
        min_size=1,
        max_size=6,
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_what_a_csv_writer_writes_is_read(cells: list[tuple[str, int]], delimiter: str) -> None:
    import csv
    import io

    wanted = [(name.strip(), str(label)) for name, label in cells if name.strip()]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(("file", "label"))
    writer.writerows((name.strip(), label) for name, label in cells if name.strip())
    table = read_table(io.StringIO(stream.getvalue(), newline=""), what="x")
    assert list(zip(table.files, table.labels, strict=True)) == wanted


def test_several_numbers_in_a_cell_are_labels_that_hold_together() -> None:
    table = read_table(["file,label\n", "a.png,0 2\n", "b.png,1\n", "c.png,\n", "d.png,1|2\n"], what="x")
    labels = read_labels(table, what="x")
    assert list(labels.names) == ["0 2", "1", "", "1|2"]
    assert list(labels.numbers) == [None] * 4


def test_what_has_no_label_is_told_in_few_words() -> None:
    def text(labels: list[int | None], names: list[str | None], columns: tuple[str, ...] = ()) -> str:
        source: Any = SimpleNamespace(
            available=len(labels),
            labels=lambda: labels,
            label_names=lambda: names,
            columns=columns,
            remarks=(),
            description="images x",
        )
        with pytest.raises(CalibrationDataError) as error:
            check_labelled(source)
        return str(error.value)

    assert "got 1 of 2 images without a label; others have one, such as 'cat'" in text(
        [0, None], ["cat", None]
    )
    assert "labels that are names, such as 'cat'" in text([None], ["cat"])
    assert "no column label, but 0, 1, 2, 3, 4, 5, 6, 7 …, expected" in text(
        [None], [None], tuple(map(str, range(1000)))
    )
    assert "no column label, but a, expected" in text([None], [None], ("a",))
