from __future__ import annotations

import hashlib
import shutil

import pytest

from graft.console import Console
from graft.data.decode import BadImage
from graft.data.decoder import StandardDecoder
from graft.data.options import CsvOptions
from graft.data.prepare import prepare, read
from graft.data.store import PixelStore
from graft.errors import DataError, Problem
from graft.plugins.descriptors import ReaderSpec
from graft.preprocess import Preprocess
from graft.recipe.schema import Data

SMALL = Preprocess(size=(16, 16))
CSV = ReaderSpec(name="csv", summary="", target="", gives="labels")
SEQUENCES = ReaderSpec(name="sequences", summary="", target="", gives="labels")


@pytest.fixture
def reading(plugins):
    def run(train, *, reader=None, options=None, **data):
        return read(Data(train=str(train), **data), takes="labels", reader=reader, options=options, plugins=plugins)

    return run


@pytest.fixture
def preparing(reading, task):
    """Read and prepare; `.console` of the result's function is what was said."""

    def run(train, *, task=task(), max_pixels=10_000, **data):  # noqa: B008
        run.console = Console(quiet=True)
        run.store = PixelStore(SMALL, max_pixels=max_pixels)
        settings = Data(train=str(train), **{key: value for key, value in data.items() if key != "reader"})
        return prepare(reading(train, **data), settings, task=task, store=run.store, console=run.console)

    return run


@pytest.fixture
def twenty(fill):
    """Ten images of cats and ten of dogs."""
    return fill(*(f"{name}/{number:02}.png" for name in ("cat", "dog") for number in range(10)))


# Reading.


def test_read__detects_a_folder_and_says_so(reading, twenty):
    catalogue = reading(twenty)
    assert catalogue.reader == "folder"
    assert catalogue.notes[0] == "read as 'folder': a folder with one folder per class"


def test_read__detects_a_table(reading, twenty):
    table = twenty / "labels.csv"
    table.write_text("path,label\ncat/00.png,a\ndog/00.png,b\n")
    assert reading(table).reader == "csv"


def test_read__uses_the_reader_that_is_named(reading, twenty):
    table = twenty / "labels.txt"
    table.write_text("file,label\ncat/00.png,a\ndog/00.png,b\n")
    catalogue = reading(table, reader=CSV, options=CsvOptions(path="file"))
    assert catalogue.notes[0] == "read as 'csv': as the recipe says"


def test_read__own_paths_for_val_and_test(reading, fill, tmp_path):
    for part in ("one", "two", "three"):
        fill("cat/1.png", "dog/1.png", root=tmp_path / part)
    catalogue = reading(tmp_path / "one", val=str(tmp_path / "two"), test=str(tmp_path / "three"))
    assert [(sample.id, sample.split) for sample in catalogue.samples] == [
        ("cat/1.png", "train"),
        ("dog/1.png", "train"),
        ("test/cat/1.png", "test"),
        ("test/dog/1.png", "test"),
        ("val/cat/1.png", "val"),
        ("val/dog/1.png", "val"),
    ]
    assert all(sample.path.exists() for sample in catalogue.samples)


def test_read__test_may_have_fewer_classes(reading, fill, tmp_path):
    fill("cat/1.png", "dog/1.png", root=tmp_path / "one")
    fill("cat/1.png", root=tmp_path / "two")
    assert reading(tmp_path / "one", test=str(tmp_path / "two")).classes == ("cat", "dog")


def test_read__test_with_other_classes(reading, fill, tmp_path):
    fill("cat/1.png", "dog/1.png", root=tmp_path / "one")
    fill("cats/1.png", "cow/1.png", root=tmp_path / "two")
    with pytest.raises(DataError, match="training never sees") as caught:
        reading(tmp_path / "one", test=str(tmp_path / "two"))
    assert [str(problem) for problem in caught.value.problems] == [
        "data.test: the class 'cats' is not in data.train (did you mean 'cat'?)",
        "data.test: the class 'cow' is not in data.train",
    ]


def test_read__test_given_twice(reading, fill, tmp_path):
    root = fill("train/cat/1.png", "test/cat/1.png")
    other = fill("cat/1.png", root=tmp_path / "two")
    with pytest.raises(DataError, match=r"data.train has a split 'test' of its own"):
        reading(root, test=str(other))


def test_read__test_that_is_itself_divided(reading, fill, tmp_path):
    root = fill("cat/1.png")
    other = fill("train/cat/1.png", "test/cat/1.png", root=tmp_path / "two")
    with pytest.raises(DataError, match="itself divided") as caught:
        reading(root, test=str(other))
    assert f"data.test={other / 'test'}" in (caught.value.fix or "")


@pytest.mark.parametrize("field", ["train", "val", "test"])
def test_read__missing_path_names_its_field(reading, twenty, field):
    data = {"train": twenty, field: str(twenty) + "x"}
    with pytest.raises(DataError, match=rf"^data.{field}: .*x does not exist \(did you mean 'data'\?\)"):
        reading(**data)


def test_read__nothing_that_a_reader_knows(reading, tmp_path):
    (tmp_path / "labels.json").write_text("{}")
    with pytest.raises(DataError, match="nothing that a reader of labels knows") as caught:
        reading(tmp_path / "labels.json")
    assert "folder (folder), csv (csv)" in (caught.value.fix or "")


def test_read__an_empty_folder_is_said_to_be_one(reading, tmp_path):
    with pytest.raises(DataError, match="is empty"):
        reading(train=str(tmp_path))


def test_read__two_readers_know_it(reading, twenty, plugins, monkeypatch):
    monkeypatch.setattr(plugins, "readers", {**plugins.readers, "other": plugins.readers["folder"]})
    with pytest.raises(DataError, match="could be read in 2 ways") as caught:
        reading(twenty)
    assert caught.value.fix == "choose one: data.reader.kind=folder"


def test_read__home_folder(reading, twenty, monkeypatch):
    monkeypatch.setenv("HOME", str(twenty.parent))
    assert len(reading("~/data").samples) == 20


# Preparing.


def test_prepare__checks_divides_and_fills_the_store(preparing, twenty):
    prepared = preparing(twenty, split={"val": 0.2, "test": 0.2})
    assert {name: len(indices) for name, indices in prepared.split.items()} == {"train": 12, "val": 4, "test": 4}
    assert len(preparing.store) == 20
    assert prepared.bad_files == ()
    assert prepared.duplicates == ()
    assert "stratified" in prepared.split_by
    content = (twenty / "cat" / "00.png").read_bytes()
    assert prepared.digests["cat/00.png"] == hashlib.sha256(content).hexdigest()
    assert any(line.startswith("Split") and "12 train, 4 val, 4 test" in line for line in preparing.console.log)


def damage(root):
    (root / "cat" / "00.png").write_bytes(b"")
    (root / "cat" / "01.png").write_bytes((root / "cat" / "01.png").read_bytes()[:300])
    (root / "dog" / "00.png").write_text("no image")
    (root / "dog" / "01.png").unlink()
    (root / "dog" / "01.png").symlink_to(root / "nothing")


def test_prepare__bad_files_stop_with_all_of_them(preparing, twenty):
    damage(twenty)
    with pytest.raises(DataError, match="4 of 20 images cannot be read") as caught:
        preparing(twenty)
    assert [(problem.where, problem.what[-12:].split("[")[-1]) for problem in caught.value.problems] == [
        ("cat/00.png", "empty]"),
        ("cat/01.png", "truncated]"),
        ("dog/00.png", "format]"),
        ("dog/01.png", "missing]"),
    ]
    assert "data.on_bad=skip" in (caught.value.fix or "")


def test_prepare__bad_files_are_skipped_and_recorded(preparing, twenty):
    damage(twenty)
    prepared = preparing(twenty, on_bad="skip")
    assert [(file.id, file.code) for file in prepared.bad_files] == [
        ("cat/00.png", "empty"),
        ("cat/01.png", "truncated"),
        ("dog/00.png", "format"),
        ("dog/01.png", "missing"),
    ]
    assert len(prepared.catalogue.samples) == 16 == sum(len(indices) for indices in prepared.split.values())
    assert set(prepared.digests) == {sample.id for sample in prepared.catalogue.samples}
    assert (
        "4 of 20 images that cannot be read (1 empty, 1 format, 1 missing, 1 truncated)"
        in (preparing.console.warnings[0])
    )


def test_prepare__missing_rows_of_a_table_name_their_line(preparing, twenty):
    (twenty / "labels.csv").write_text("path,label\ncat/00.png,a\nnone.png,b\ndog/00.png,b\n")
    with pytest.raises(DataError) as caught:
        preparing(twenty / "labels.csv")
    assert str(caught.value.problems[0]) == "labels.csv line 3: none.png: no such file [missing]"
    assert len(preparing(twenty / "labels.csv", on_bad="skip").bad_files) == 1


@pytest.mark.parametrize("on_bad", ["stop", "skip"])
def test_prepare__a_class_that_becomes_empty(preparing, twenty, on_bad):
    for path in (twenty / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        preparing(twenty, on_bad=on_bad)
    assert "class dog: none of its 10 images can be read" in [str(problem) for problem in caught.value.problems]


def test_prepare__no_image_left(preparing, twenty):
    for path in twenty.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no image is left"):
        preparing(twenty, on_bad="skip")


def test_prepare__oversized_images_say_which_limit(preparing, twenty):
    with pytest.raises(DataError, match="20 of 20 images") as caught:
        preparing(twenty, max_pixels=100)
    assert "data.max_pixels" in (caught.value.fix or "")


def test_prepare__files_of_another_kind_say_that_a_domain_may_read_them(preparing, twenty):
    next(twenty.rglob("*.png")).write_bytes(b"DICM, say")
    with pytest.raises(DataError, match="1 of 20 images") as caught:
        preparing(twenty)
    assert "--domain NAME" in (caught.value.fix or "")


def test_prepare__what_a_split_lacks_is_said(preparing, fill):
    data = fill(*(f"{name}/{number:02}.png" for name, n in (("cat", 20), ("rare", 1)) for number in range(n)))
    preparing(data)
    assert "val has no sample of rare, and says nothing about them" in preparing.console.warnings


def test_prepare__what_the_task_finds_wrong(preparing, twenty, task):
    one = task([Problem("cat", "too few"), Problem("dog", "too many")])
    with pytest.raises(DataError) as caught:
        preparing(twenty, task=one)
    assert [problem.where for problem in caught.value.problems] == ["cat", "dog"]
    assert one.checked is not None


# Duplicates.


@pytest.fixture
def leaking(fill):
    """A given split with one image of train in val, and another in val and test."""
    root = fill(
        *(f"{part}/{name}/{n}.png" for part in ("train", "val", "test") for name in ("cat", "dog") for n in "12")
    )
    shutil.copy(root / "train/cat/1.png", root / "val/cat/copy.png")
    shutil.copy(root / "train/dog/1.png", root / "val/dog/copy.png")
    shutil.copy(root / "train/dog/1.png", root / "test/dog/copy.png")
    return root


def test_prepare__duplicates_across_splits_are_said(preparing, leaking):
    prepared = preparing(leaking)
    assert [(same.ids, same.leaks) for same in prepared.duplicates] == [
        (("test/dog/copy.png", "train/dog/1.png", "val/dog/copy.png"), True),
        (("train/cat/1.png", "val/cat/copy.png"), True),
    ]
    assert "2 images are in more than one split" in preparing.console.warnings[0]
    assert sum(len(indices) for indices in prepared.split.values()) == 15


def test_prepare__duplicates_stop(preparing, leaking):
    with pytest.raises(DataError) as caught:
        preparing(leaking, duplicates="stop")
    assert [problem.where for problem in caught.value.problems] == ["test/dog/copy.png", "train/cat/1.png"]
    assert "data.duplicates=drop" in (caught.value.fix or "")


def test_prepare__duplicates_are_dropped(preparing, leaking):
    prepared = preparing(leaking, duplicates="drop")
    samples = prepared.catalogue.samples
    kept = {name: {samples[index].id for index in indices} for name, indices in prepared.split.items()}
    assert kept["train"] == {"train/cat/2.png", "train/dog/2.png"}
    assert "val/cat/copy.png" in kept["val"]
    assert "val/dog/copy.png" not in kept["val"]
    assert "test/dog/copy.png" in kept["test"]
    assert len(prepared.duplicates) == 2


def test_prepare__a_split_of_our_own_never_leaks(preparing, twenty):
    for number in range(10):
        shutil.copy(twenty / f"cat/{number:02}.png", twenty / f"cat/copy{number}.png")
    prepared = preparing(twenty, duplicates="stop")
    assert len(prepared.duplicates) == 10
    assert not any(same.leaks for same in prepared.duplicates)
    assert any("10 images are copies of others in the same split" in line for line in preparing.console.log)


@pytest.mark.parametrize("duplicates", ["warn", "drop"])
def test_prepare__one_image_with_two_labels_is_always_said(preparing, twenty, duplicates):
    shutil.copy(twenty / "cat/00.png", twenty / "dog/copy.png")
    prepared = preparing(twenty, duplicates=duplicates)
    assert prepared.duplicates[0].conflict
    assert "the same image is annotated in different ways: cat/00.png, dog/copy.png" in preparing.console.warnings


def test_prepare__twice_is_the_same(preparing, twenty):
    assert preparing(twenty).split == preparing(twenty).split
    assert preparing(twenty).split != preparing(twenty, split={"seed": 1}).split


# Sequences.


@pytest.fixture
def clips(fill):
    """Three frames of each of ten sequences, five of cats and five of dogs."""
    names = (f"{name}/{clip}/{frame}.png" for name in ("cat", "dog") for clip in range(5) for frame in range(3))
    return fill(*names)


def test_prepare__sequences_are_samples(preparing, clips):
    prepared = preparing(clips, reader=SEQUENCES)
    assert sum(map(len, prepared.split.values())) == 10
    assert len(preparing.store) == len(prepared.files) == 30
    frames = prepared.catalogue.samples[0].frames
    digests = [hashlib.sha256(frame.read_bytes()).hexdigest() for frame in frames]
    assert [prepared.files[frame] for frame in frames] == digests
    assert prepared.digests["cat/0"] == hashlib.sha256("".join(digests).encode()).hexdigest()


def test_prepare__a_bad_frame_stops_and_is_named(preparing, clips):
    (clips / "cat/1/2.png").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 30 images cannot be read") as error:
        preparing(clips, reader=SEQUENCES)
    assert [str(problem) for problem in error.value.problems] == ["cat/1/2.png: the file is empty [empty]"]


def test_prepare__a_bad_frame_is_dropped_and_an_empty_sequence_with_it(preparing, clips):
    (clips / "cat/1/0.png").write_bytes(b"")
    for frame in range(3):
        (clips / f"dog/4/{frame}.png").write_bytes(b"no image")
    prepared = preparing(clips, reader=SEQUENCES, on_bad="skip")
    samples = {sample.id: sample for sample in prepared.catalogue.samples}
    assert [frame.name for frame in samples["cat/1"].frames] == ["1.png", "2.png"]
    assert samples["cat/1"].path.name == "1.png"
    assert "dog/4" not in samples
    assert [file.id for file in prepared.bad_files] == ["cat/1/0.png", *(f"dog/4/{n}.png" for n in range(3))]
    warning = "skipped 4 of 30 images that cannot be read (1 empty, 3 format), and with them 1 sequences"
    assert warning in preparing.console.warnings


def test_prepare__equal_sequences_are_duplicates_and_equal_frames_are_not(preparing, clips):
    shutil.copytree(clips / "cat/0", clips / "cat/copy")
    shutil.copy(clips / "cat/1/0.png", clips / "cat/2/0.png")
    prepared = preparing(clips, reader=SEQUENCES)
    assert [same.ids for same in prepared.duplicates] == [("cat/0", "cat/copy")]


def test_prepare__the_order_of_frames_is_part_of_a_sequence(preparing, clips):
    shutil.copytree(clips / "cat/0", clips / "cat/back")
    (clips / "cat/back/0.png").write_bytes((clips / "cat/0/2.png").read_bytes())
    (clips / "cat/back/2.png").write_bytes((clips / "cat/0/0.png").read_bytes())
    assert preparing(clips, reader=SEQUENCES).duplicates == ()


# Groups on both sides of a split.


@pytest.fixture
def crossing(fill):
    """A given split with patient p1 on both sides of it, which only the names say."""
    return fill(
        *(f"{split}/{name}/{patient}_{split}.png" for name in ("cat", "dog") for split, patient in PATIENTS),
        "train/cat/p3_a.png",
        "train/dog/p3_b.png",
    )


PATIENTS = (("train", "p1"), ("val", "p2"), ("test", "p1"))


def test_prepare__a_group_on_both_sides_of_a_split_is_named(preparing, crossing):
    preparing(crossing, group=r"(p\d)_")
    (said,) = (warning for warning in preparing.console.warnings if "not independent" in warning)
    assert "group p1: is in train (2) and test (2)" in said
    with pytest.raises(DataError, match=r"group p1: is in train \(2\) and test \(2\)") as raised:
        preparing(crossing, group=r"(p\d)_", leaks="stop")
    assert "data.split.by=group" in raised.value.fix
    preparing(crossing)
    assert not any("not independent" in warning for warning in preparing.console.warnings)


def test_prepare__groups_from_names_are_never_divided(preparing, fill):
    root = fill(*(f"{name}/p{number % 5}_{number}.png" for name in ("cat", "dog") for number in range(20)))
    prepared = preparing(root, group=r"(p\d)_", leaks="stop")
    assert "by group" in prepared.split_by
    parts = [{prepared.catalogue.samples[i].group for i in prepared.split[name]} for name in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 5


class InFour(StandardDecoder):
    """Takes each file for one of four parts, none of which it can read."""

    def parts(self, path):
        return [path / str(part) for part in range(4)]

    def reads(self, path):
        return path.suffix == ".png"

    def decode(self, path, **kwargs):
        raise BadImage("bands", "it has four")

    def digest(self, path):
        return path.name


def test_prepare__what_is_wrong_with_all_parts_of_a_file_is_said_once(preparing, plugins, fill, task):
    data = fill("cat/a.png", "cat/b.png", "dog/c.png")
    decoder = InFour()
    catalogue = read(Data(train=str(data)), takes="labels", reader=None, options=None, decoder=decoder, plugins=plugins)
    store = PixelStore(SMALL, decoder=decoder)
    with pytest.raises(DataError, match="12 of 12 images cannot be read") as caught:
        prepare(catalogue, Data(train=str(data)), task=task(), store=store, console=Console(quiet=True))
    said = [str(problem) for problem in caught.value.problems]
    assert said[0] == "cat/a.png/0 and 3 more of its parts: it has four [bands]"
    assert len(said) == 4  # a line for each file, and that no image is left
    assert "repair" not in (caught.value.fix or "")
