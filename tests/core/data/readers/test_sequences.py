from __future__ import annotations

from pathlib import Path

import pytest

from graft.data.options import CsvOptions, FolderOptions, SequenceOptions
from graft.data.readers.folder import FolderReader
from graft.data.readers.labels import CsvReader
from graft.data.readers.sequences import SequenceReader
from graft.errors import DataError


def read(data, **options):
    return SequenceReader().read(data, SequenceOptions(**options))


def names(sample):
    return [frame.name for frame in sample.frames]


def mistakes(data, **options):
    with pytest.raises(DataError) as error:
        read(data, **options)
    return str(error.value), [str(problem) for problem in error.value.problems]


def clip(name, *numbers):
    return [f"{name}/{number}.png" for number in numbers]


@pytest.fixture
def clips(fill):
    return fill(*clip("walk/a", 1, 2, 10), *clip("walk/b", 1, 2), *clip("run/c", 3, 1, 2), *clip("run/d", 1))


@pytest.fixture
def table(fill, tmp_path):
    """Write frames and a table of them; returns the table's path."""
    fill(*clip("frames", *range(1, 13)))

    def write(*rows: str, header: str = "sequence,frame,label") -> Path:
        path = tmp_path / "data" / "clips.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


def test_read__a_folder_per_sequence(clips):
    catalogue = read(clips)
    assert [sample.id for sample in catalogue.samples] == ["run/c", "run/d", "walk/a", "walk/b"]
    assert [sample.target for sample in catalogue.samples] == [("run",), ("run",), ("walk",), ("walk",)]
    assert names(catalogue.samples[2]) == ["1.png", "2.png", "10.png"]
    assert all(sample.path == sample.frames[0] for sample in catalogue.samples)
    assert catalogue.classes == ("run", "walk")
    assert catalogue.reader == "sequences"
    assert catalogue.sequences
    assert catalogue.notes == ("9 frames, 1 to 3 in a sequence",)


def test_read__split_folders(fill):
    root = fill(*clip("train/a/x", 1), *clip("train/b/y", 1), *clip("valid/a/z", 1), *clip("test/b/w", 1))
    splits = {sample.id: sample.split for sample in read(root).samples}
    assert splits == {"train/a/x": "train", "train/b/y": "train", "valid/a/z": "val", "test/b/w": "test"}


def test_read__at_most_so_many_frames(fill):
    root = fill(*clip("a/x", *range(1, 12)), *clip("b/y", 1, 2))
    catalogue = read(root, max_frames=3)
    assert [names(sample) for sample in catalogue.samples] == [["1.png", "6.png", "11.png"], ["1.png", "2.png"]]
    assert catalogue.max_frames == 3


def test_read__short_ones_are_passed_over_and_named(clips):
    catalogue = read(clips, min_frames=2)
    assert [sample.id for sample in catalogue.samples] == ["run/c", "walk/a", "walk/b"]
    assert "passed over 1 sequences of fewer than 2 frames: run/d (1)" in catalogue.notes


def test_read__a_class_is_never_lost_without_a_word(clips):
    _, problems = mistakes(clips, min_frames=4)
    assert problems == [
        "class run: each of its sequences has fewer than min_frames = 4 frames",
        "class walk: each of its sequences has fewer than min_frames = 4 frames",
    ]


def test_read__what_is_no_sequence_is_said_all_at_once(fill):
    root = fill("a/1.png", *clip("b/x/deeper", 1), *clip("c/y", 1))
    (root / "c" / "empty").mkdir()
    text, problems = mistakes(root)
    assert problems == [
        "a: the class folder has no folder of a sequence, but 1 images (single images are read by "
        "data.reader.kind=folder)",
        "b/x: folders in the folder of a sequence: deeper",
        "c/empty: the folder of a sequence has no image",
    ]
    assert "add its frames, or remove the folder" in text


def test_read__what_is_beside_is_counted(clips):
    (clips / "walk" / "a" / "notes.txt").write_text("")
    (clips / "walk" / "a" / ".DS_Store").write_text("")
    (clips / "walk" / "cover.png").write_bytes((clips / "walk" / "a" / "1.png").read_bytes())
    notes = read(clips).notes
    assert "passed over 1 files that are no images (1 .txt)" in notes
    assert "passed over 1 images that lie outside of every sequence's folder" in notes


def test_read__splits_must_be_whole(fill):
    _, problems = mistakes(fill(*clip("val/a/x", 1), *clip("valid/a/y", 1), *clip("test/a/z", 1)))
    assert problems[:3] == [
        "val: one of 2 folders for val",
        "valid: one of 2 folders for val",
        problems[2],
    ]
    assert "but no folder train" in problems[2]


def test_read__a_table_of_frames(table):
    catalogue = read(
        table(
            "up,frames/10.png,rise,train,g1,3",
            "up,frames/9.png,,,,2",
            "down2,frames/3.png,fall,train,,",
            "down,frames/2.png,fall,val,,1",
            "down,frames/1.png,fall,val,,0",
            header="sequence,frame,label,split,group,time",
        )
    )
    down, _, up = catalogue.samples
    assert (up.id, names(up), up.target, up.split, up.group) == ("up", ["9.png", "10.png"], ("rise",), "train", "g1")
    assert (down.id, names(down), down.target, down.split, down.group) == (
        "down",
        ["1.png", "2.png"],
        ("fall",),
        "val",
        None,
    )
    assert (up.time, down.time) == ("2", "0")
    assert up.where == "clips.csv line 2"


def test_read__frame_numbers_beside_paths(table):
    path = table("x,10,frames/1.png,a", "x,9,frames/2.png,a", "y,1,frames/3.png,b", header="sequence,frame,path,label")
    assert [names(sample) for sample in read(path).samples] == [["2.png", "1.png"], ["3.png"]]


def test_read__a_table_with_other_columns(table):
    path = table("x;1;frames/1.png;a", "y;1;frames/2.png;b", header="clip;nr;file;class")
    catalogue = read(path, sequence="clip", frame="nr", path="file", label="class")
    assert [sample.id for sample in catalogue.samples] == ["x", "y"]
    _, problems = mistakes(path)
    assert [problem.split(": ")[1] for problem in problems] == [
        "no column 'sequence' for data.reader.sequence",
        "no column 'frame' for data.reader.frame",
        "no column 'label' for data.reader.label",
    ]


def test_read__every_mistake_in_a_table(table):
    text, problems = mistakes(
        table(
            "x,frames/1.png,a", "x,frames/1.png,a", "x,frames/2.png,b", "y,frames/77.png,b", ",frames/3.png,b", "z,,a"
        )
    )
    assert problems == [
        "clips.csv line 3: frame frames/1.png of x is in line 2 already",
        "clips.csv line 6: no sequence",
        "clips.csv line 7: no frame",
        "clips.csv line 4: the label of x is 'b' here and 'a' in line 2",
        f"clips.csv line 5: no file {Path(text.split()[0]).parent / 'frames/77.png'} (did you mean '7.png'?)",
    ]


def test_read__a_sequence_without_a_label(table):
    _, problems = mistakes(table("x,frames/1.png,", "y,frames/2.png,b"))
    assert problems == ["clips.csv line 2: no label (data.reader.allow_empty=true when it shows none of the classes)"]


def test_read__files_that_are_missing_are_left_to_the_check_of_images(table):
    catalogue = read(table("x,frames/1.png,a", "x,frames/99.png,a", "y,frames/2.png,b"))
    assert [len(sample.frames) for sample in catalogue.samples] == [2, 1]


def test_read__all_missing_means_another_root(table):
    text, problems = mistakes(table("x,1.png,a", "y,2.png,b"))
    assert len(problems) == 2
    assert "data.reader.root=frames" in text
    assert len(read(table("x,1.png,a", "y,2.png,b"), root="frames").samples) == 2


def test_detect__a_table_with_both_columns_alone(table, clips):
    assert SequenceReader().detect(clips) is None
    frames = table("x,frames/1.png,a", "y,frames/2.png,b")
    assert SequenceReader().detect(frames) == "a table with the columns sequence and frame"
    assert CsvReader().detect(frames) is None
    images = table("frames/1.png,a", header="path,label")
    assert SequenceReader().detect(images) is None
    assert CsvReader().detect(images) == "a .csv table"
    images.write_bytes(b"\xff\xfe")
    assert SequenceReader().detect(images) is None


def test_folders__say_how_to_read_sequences(clips, fill, tmp_path):
    notes = FolderReader().read(clips, FolderOptions()).notes
    assert any("data.reader.kind=sequences" in note for note in notes)
    beside = fill("a/1.png", "b/2.png", *clip("a/deeper", 1), root=tmp_path / "beside")
    assert FolderReader().read(beside, FolderOptions()).notes == ()


def test_csv__takes_times(table):
    path = table("frames/1.png,a,2021-05-01", "frames/2.png,b,", header="path,label,time")
    assert [sample.time for sample in CsvReader().read(path, CsvOptions()).samples] == ["2021-05-01", None]


def test_options__most_and_fewest() -> None:
    with pytest.raises(ValueError, match="max_frames = 2 is less than min_frames = 3"):
        SequenceOptions(max_frames=2, min_frames=3)
