from __future__ import annotations

import pytest

from graft.data.options import CsvOptions, FolderOptions
from graft.data.readers.labels import CsvReader
from graft.data.readers.table import listed_paths
from graft.errors import DataError


@pytest.fixture
def table(fill):
    """Write `labels.csv` beside 1.png … 6.png, and read it."""

    def write(text: str | bytes, **options):
        root = fill(*(f"{number}.png" for number in range(1, 7)), "images/a.png", "images/b.png")
        path = root / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return CsvReader().read(path, CsvOptions(**options))

    return write


def rows(catalogue):
    return [(sample.id, *sample.target) for sample in catalogue.samples]


def test_read__path_and_label(table):
    catalogue = table("path,label\n2.png,dog\n1.png,cat\n")
    assert rows(catalogue) == [("1.png", "cat"), ("2.png", "dog")]
    assert catalogue.classes == ("cat", "dog")
    assert catalogue.reader == "csv"
    assert [sample.where for sample in catalogue.samples] == ["labels.csv line 3", "labels.csv line 2"]
    assert all(sample.path.exists() for sample in catalogue.samples)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_read__separators(table, separator):
    text = "label,path,note\ncat,1.png,x\n".replace(",", separator)
    assert rows(table(text)) == [("1.png", "cat")]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label\r\n1.png,cat\r\n",
        b"path,label\r1.png,cat",
        b" path , label \n 1.png , cat \n",
        b'"path","label"\n"1.png","cat"\n',
        b"path,label\n\n1.png,cat\n\n\n",
        b"\n\npath,label\n1.png,cat\n",
    ],
    ids=["bom and crlf", "old mac", "spaces", "quotes", "empty lines", "empty lines first"],
)
def test_read__ways_to_write_a_table(table, text):
    assert rows(table(text)) == [("1.png", "cat")]


def test_read__quoted_cells(table):
    catalogue = table('path,label\n1.png,"cat, tabby"\n2.png,"two\nlines"\n3.png,"a ""b"""\n4.png,x\n')
    assert catalogue.classes == ('a "b"', "cat, tabby", "two\nlines", "x")
    assert catalogue.samples[3].where == "labels.csv line 6"


def test_read__several_labels_in_a_cell(table):
    catalogue = table("path,label\n1.png,b; a;b\n2.png,a\n")
    assert [sample.target for sample in catalogue.samples] == [("b", "a"), ("a",)]
    assert table("path,label\n1.png,b; a\n", separator="").classes == ("b; a",)


def test_read__no_label_when_allowed(table):
    catalogue = table("path,label\n1.png,\n2.png,a\n", allow_empty=True)
    assert [sample.target for sample in catalogue.samples] == [(), ("a",)]


def test_read__split_and_group(table):
    catalogue = table("path,label,split,group\n1.png,a,Train,p1\n2.png,a,valid,p2\n3.png,a,test,\n")
    assert [(sample.split, sample.group) for sample in catalogue.samples] == [
        ("train", "p1"),
        ("val", "p2"),
        ("test", None),
    ]


def test_read__named_columns_and_root(table):
    catalogue = table(
        "image,class_id,class,patient\na.png,1,x,7\nb.png,2,y,8\n",
        path="image",
        label="class",
        group="patient",
        root="images",
    )
    assert rows(catalogue) == [("a.png", "x"), ("b.png", "y")]
    assert [sample.group for sample in catalogue.samples] == ["7", "8"]
    assert catalogue.root.name == "images"


def test_read__paths_in_several_spellings(table, tmp_path):
    elsewhere = tmp_path / "data" / "images" / "b.png"
    catalogue = table(f"path,label\n./1.png,a\nimages/../2.png,a\nimages\\a.png,a\n{elsewhere},a\n../data/3.png,a\n")
    assert [sample.id for sample in catalogue.samples] == ["1.png", "2.png", "3.png", "images/a.png", "images/b.png"]
    assert all(sample.path.exists() for sample in catalogue.samples)


def test_read__paths_may_lead_outside(fill, tmp_path, table):
    fill("far.png", root=tmp_path / "other")
    assert rows(table("path,label\n../other/far.png,a\n")) == [("../other/far.png", "a")]


def test_read__some_missing_files_are_left_to_the_check_of_the_images(table):
    catalogue = table("path,label\n1.png,a\nnone.png,a\n")
    assert [sample.id for sample in catalogue.samples] == ["1.png", "none.png"]


# What is refused: every mistake by its line.


@pytest.fixture
def refused(table):
    def read(text, **options) -> DataError:
        with pytest.raises(DataError) as caught:
            table(text, **options)
        assert caught.value.fix
        assert "labels.csv" in str(caught.value) or options
        return caught.value

    return read


MISTAKES = {
    "no label": ("path,label\n1.png,\n", "labels.csv line 2: no label"),
    "nan": ("path,label\n1.png,NaN\n", "labels.csv line 2: no label"),
    "separators alone": ("path,label\n1.png, ; \n", "labels.csv line 2: no label"),
    "no path": ("path,label\n,a\n", "labels.csv line 2: no path"),
    "bad split": ("path,label,split\n1.png,a,tset\n", "line 2: the split 'tset' is none (did you mean 'test'?)"),
    "odd split": ("path,label,split\n1.png,a,7\n", "line 2: the split '7' is none (train, val or test)"),
    "same row twice": ("path,label\n1.png,a\n1.png,a\n", "line 3: 1.png is in line 2 already"),
    "same file twice": ("path,label\n1.png,a\n./1.png,a\n", "line 3: ./1.png is in line 2 already"),
    "two labels": ("path,label\n1.png,a\n1.png,b\n", "line 3: 1.png is 'b' here and 'a' in line 2"),
    "too few cells": ("path,label\n1.png\n2.png,a\n", "line 2: 1 cells, where the header has 2 columns"),
    "too many cells": ("path,label\n1.png,a,b\n", "line 2: 3 cells, where the header has 2 columns"),
    "open quote": ('path,label\n1.png,"a\n', "line 2: cannot be read as a row"),
    "no path column": ("file,label\n1.png,a\n", "no column 'path' for data.reader.path"),
    "misspelt column": ("path,lable\n1.png,a\n", "no column 'label' for data.reader.label (did you mean 'lable'?)"),
    "column twice": ("path,label,label\n1.png,a,b\n", "the column 'label' is there twice"),
    "no header": ("1.png,a\n2.png,b\n", "line 1: images where the names of the columns should be: 1.png, a"),
    "no rows": ("path,label\n", "has a header and no rows"),
    "empty": ("", "labels.csv is empty"),
    "latin-1": (b"path,label\n1.png,a\n2.png,caf\xe9\n", "line 3: not UTF-8 text"),
    "utf-16": ("path,label\n1.png,a\n".encode("utf-16"), "line 1: not UTF-8 text"),
    "binary": (bytes(range(256)), "not UTF-8 text"),
    "class in test alone": (
        "path,label,split\n1.png,rose,train\n2.png,rosse,test\n",
        "labels.csv line 3: the class 'rosse' is in test, but not in train (did you mean 'rose'?)",
    ),
    "two Unicode forms": ("path,label\n1.png,caf\u00e9\n2.png,cafe\u0301\n", "same text in two Unicode forms"),
    "no file exists": ("path,label\nx.png,a\ny.png,a\n", "labels.csv line 2: no file"),
    "an address": ("path,label\nhttps://example.org/1.png,a\n", "labels.csv line 2: no file"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_read__refuses(refused, name):
    text, expected = MISTAKES[name]
    assert expected in str(refused(text))


def test_read__every_mistake_at_once(refused):
    error = refused(
        "path,label,split\n1.png,,train\n2.png,a,trian\n3.png\nnone.png,a,train\n1.png,b,train\n4.png,a,train\n"
    )
    assert [(problem.where, problem.what.split(" ")[0]) for problem in error.problems] == [
        ("labels.csv line 2", "no"),
        ("labels.csv line 3", "the"),
        ("labels.csv line 4", "1"),
        ("labels.csv line 6", "1.png"),
        ("labels.csv line 5", "no"),
    ]


def test_read__named_column_must_be_there(refused):
    error = refused("path,label\n1.png,a\n", group="patient", split="fold")
    assert [problem.what for problem in error.problems] == [
        "no column 'fold' for data.reader.split",
        "no column 'patient' for data.reader.group",
    ]


def test_read__says_where_the_images_are(refused):
    error = refused("path,label\na.png,x\nb.png,y\n")
    assert "data.reader.root=images" in (error.fix or "")


def test_read__file_without_its_suffix(refused):
    assert "did you mean '1.png'?" in str(refused("path,label\n1,x\n"))


def test_read__root_that_is_no_folder(refused):
    assert "data.reader.root" in str(refused("path,label\n1.png,x\n", root="imagse"))


def test_read__folder_and_missing_table(fill):
    root = fill("cat/1.png")
    with pytest.raises(DataError, match="is a folder"):
        CsvReader().read(root, CsvOptions())
    with pytest.raises(DataError, match="does not exist"):
        CsvReader().read(root / "labels.csv", CsvOptions())


def test_read__other_options_are_a_mistake_of_the_caller(fill):
    with pytest.raises(TypeError, match="CsvOptions"):
        CsvReader().read(fill("cat/1.png"), FolderOptions())


def test_detect(tmp_path):
    for name, known in (("a.csv", True), ("a.TSV", True), ("a.txt", False), ("a.json", False)):
        (tmp_path / name).write_text("path,label\n")
        assert bool(CsvReader().detect(tmp_path / name)) is known
    assert CsvReader().detect(tmp_path) is None


def test_listed_paths__needs_no_labels(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("note;path\nx;b/1.png\ny; ../2.png \n")
    assert listed_paths(path) == [tmp_path / "b/1.png", tmp_path.parent / "2.png"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("file\n1.png\n", "has the columns file"), ("path,x\n1.png\n", "line 2: 1 cells"), ("", "is empty")],
)
def test_listed_paths__refuses(text, says, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        listed_paths(path)
    assert caught.value.fix
