from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boxes import write_images
from graft.data.samples import Catalogue
from graft.errors import DataError
from graft_detection.formats.table import BoxTableReader
from graft_detection.options import BoxTableOptions

HEAD = "path,label,xmin,ymin,xmax,ymax,crowd,difficult,split,group\n"


def write(root: Path, rows: str, head: str = HEAD) -> Path:
    write_images(root / "images")
    file = root / "boxes.csv"
    file.write_text(head + rows, encoding="utf-8")
    return file


def read(file: Path, **options: str) -> Catalogue:
    return BoxTableReader().read(file, BoxTableOptions(**options))  # type: ignore[arg-type]


def mistakes(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def test_read__a_row_per_object(tmp_path: Path) -> None:
    rows = "images/a.png,cat,1,2.5,3,4,0,1,train,x\nimages/b.png,,,,,,,,val,\nimages/a.png,dog,5,6,70,8,1,,,x\n"
    file = write(tmp_path, rows)
    assert BoxTableReader().detect(file)
    catalogue = read(file)
    a, b = catalogue.samples
    np.testing.assert_array_equal(a.target.boxes, [[1, 2.5, 3, 4], [5, 6, 60, 8]])
    assert (a.target.labels, a.split, a.group) == (("cat", "dog"), "train", "x")
    assert (a.target.crowd.tolist(), a.target.difficult.tolist()) == ([False, True], [True, False])
    assert (len(b.target), b.split, b.target.size) == (0, "val", (30, 30))
    assert any(note.startswith("1 boxes reach out") and "boxes.csv line 4" in note for note in catalogue.notes)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("images/a.png,cat,1,2,x,4,,,,", "xmax: 'x' is no number"),
        ("images/a.png,cat,1,2,,4,,,,", "xmax: is empty"),
        ("images/a.png,cat,1,2,inf,4,,,,", "no finite number"),
        ("images/a.png,cat,5,2,1,4,,,,", "a box that ends before it begins: 5, 2, 1, 4"),
        ("images/a.png,,1,2,3,4,,,,", "a box without a label"),
        (",cat,1,2,3,4,,,,", "no path"),
        ("images/a.png,cat,1,2,3,4,2,,,", "crowd: '2' is neither 0 nor 1"),
        ("images/a.png,cat,1,2,3,4,,,nowhere,", "the split 'nowhere' is none"),
        ("images/a.png,cat,1,2,3,4,,,val,", "the split of images/a.png is 'val' here and 'train'"),
        ("images/a.png,,,,,,,,,", "images/a.png has no object here, and some in other lines"),
        ("images/a.png,cat,1,2", "4 cells, where the header has 10 columns"),
    ],
)
def test_read__mistakes_name_the_line(tmp_path: Path, row: str, text: str) -> None:
    said = mistakes(write(tmp_path, f"images/a.png,cat,1,2,3,4,,,train,\n{row}\n"))
    assert "boxes.csv line 3: " in said
    assert text in said


def test_read__other_columns(tmp_path: Path) -> None:
    file = write(tmp_path, "images/a.png;cat;1;2;3;4\n", "file;what;l;t;r;b\n")
    assert "no column 'xmin' for data.reader.xmin" in mistakes(file)
    options = {"path": "file", "label": "what", "xmin": "l", "ymin": "t", "xmax": "r", "ymax": "b"}
    np.testing.assert_array_equal(read(file, **options).samples[0].target.boxes, [[1, 2, 3, 4]])


def test_read__nothing_where_the_paths_lead(tmp_path: Path) -> None:
    said = mistakes(write(tmp_path, "a.png,cat,1,2,3,4,,,,\n"))
    assert "data.reader.root=images" in said
