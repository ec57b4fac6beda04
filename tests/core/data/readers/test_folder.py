from __future__ import annotations

import os
import zipfile
from collections import Counter

import pytest
from PIL import Image

from graft.data.options import CsvOptions, FolderOptions
from graft.data.readers.folder import FolderReader
from graft.errors import DataError


def read(path, **options):
    return FolderReader().read(path, FolderOptions(**options))


def ids(catalogue):
    return [sample.id for sample in catalogue.samples]


def test_read__class_folders(fill):
    root = fill("dog/2.jpg", "dog/1.png", "cat/1.JPEG")
    catalogue = read(root)
    assert ids(catalogue) == ["cat/1.JPEG", "dog/1.png", "dog/2.jpg"]
    assert catalogue.classes == ("cat", "dog")
    assert [sample.target for sample in catalogue.samples] == [("cat",), ("dog",), ("dog",)]
    assert {sample.split for sample in catalogue.samples} == {None}
    assert catalogue.root == root
    assert catalogue.notes == ()


def test_read__images_deeper_inside_a_class(fill):
    catalogue = read(fill("cat/patient1/a.png", "cat/patient2/a.png", "dog/b.png"))
    assert catalogue.classes == ("cat", "dog")
    assert len(catalogue.samples) == 3


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_read__split_folders(fill, val):
    catalogue = read(fill("train/cat/1.png", "train/dog/1.png", f"{val}/cat/2.png", "test/dog/3.png"))
    assert {sample.id: sample.split for sample in catalogue.samples} == {
        "train/cat/1.png": "train",
        "train/dog/1.png": "train",
        f"{val}/cat/2.png": "val",
        "test/dog/3.png": "test",
    }
    assert catalogue.classes == ("cat", "dog")


def test_read__a_class_may_be_called_train(fill):
    catalogue = read(fill("train/1.png", "bus/1.png", "car/1.png"))
    assert catalogue.classes == ("bus", "car", "train")


def test_read__order_does_not_depend_on_creation_or_locale(fill, tmp_path):
    names = ["b/1.png", "ä/1.png", "A/1.png", "a/1.png", "10/1.png", "2/1.png"]
    one = read(fill(*names, root=tmp_path / "one"))
    other = read(fill(*reversed(names), root=tmp_path / "other"))
    assert one.classes == other.classes == ("10", "2", "A", "a", "b", "ä")
    assert ids(one) == ids(other)
    assert "the classes 'A' and 'a' differ in case alone" in one.notes


def test_read__passes_over_what_is_no_image_and_says_so(fill):
    root = fill("cat/1.png", "dog/1.png", "stray.png")
    for name in ("cat/._1.png", "cat/.DS_Store", "dog/Thumbs.db", ".git/x.png", "__MACOSX/cat/1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    for name in ("cat/notes.txt", "dog/labels.txt", "dog/README"):
        (root / name).write_text("x")
    catalogue = read(root)
    assert ids(catalogue) == ["cat/1.png", "dog/1.png"]
    assert "passed over 3 files that are no images (2 .txt, 1 without a suffix)" in catalogue.notes
    assert "passed over 3 hidden files" in catalogue.notes
    assert "passed over 1 images that lie outside of every class folder" in catalogue.notes


def test_read__class_level_makes_upper_folders_groups(fill):
    catalogue = read(fill("a/cat/1.png", "a/dog/1.png", "b/cat/1.png", "b/dog/1.png"), class_level=2)
    assert catalogue.classes == ("cat", "dog")
    assert Counter(sample.group for sample in catalogue.samples) == {"a": 2, "b": 2}


def test_read__links_are_followed_and_circles_end(fill, tmp_path):
    root = fill("cat/1.png", "dog/1.png")
    elsewhere = fill("2.png", root=tmp_path / "elsewhere")
    (root / "cat" / "more").symlink_to(elsewhere)
    (root / "cat" / "circle").symlink_to(root / "cat")
    assert ids(read(root)) == ["cat/1.png", "cat/more/2.png", "dog/1.png"]


def test_read__names_that_are_no_text(fill):
    root = fill("cat/1.png", "dog/1.png")
    odd = os.fsencode(root) + b"/cat/\xff.png"
    os.rename(root / "cat" / "1.png", odd)  # noqa: PTH104
    assert ids(read(root)) == ["cat/\\xff.png", "dog/1.png"]
    assert read(root).samples[0].path.exists()


@pytest.mark.parametrize("name", ["a b.png", "-rf.png", "it's.png", "<b>.png", "a\tb.png", "x" * 240 + ".png", "é.png"])
def test_read__odd_names_stay_as_they_are(fill, name):
    catalogue = read(fill(f"cat/{name}", "dog/1.png"))
    assert ids(catalogue)[0] == f"cat/{name}"


# What is refused: every text names the place, and says what to do.


def refused(path, **options) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, **options)
    assert caught.value.exit_code == 2
    assert caught.value.fix
    return caught.value


def test_read__empty_class(fill):
    root = fill("cat/1.png")
    (root / "dog").mkdir()
    (root / "bird").mkdir()
    (root / "bird" / "1.heic").write_bytes(b"x")
    error = refused(root)
    assert [str(problem) for problem in error.problems] == [
        "bird: the class folder has no image, but 1 .heic",
        "dog: the class folder has no image",
    ]


def test_read__empty_class_in_a_split(fill):
    root = fill("train/cat/1.png", "train/dog/1.png", "val/cat/1.png")
    (root / "val" / "dog").mkdir()
    assert "val/dog: the class folder has no image" in str(refused(root))


def test_read__class_in_val_alone(fill):
    error = refused(fill("train/cat/1.png", "train/dog/1.png", "val/cats/1.png", "test/cow/1.png"))
    assert [problem.where for problem in error.problems] == ["val/cats/1.png", "test/cow/1.png"]
    assert "the class 'cats' is in val, but not in train (did you mean 'cat'?)" in str(error)


def test_read__no_train_folder(fill):
    error = refused(fill("val/cat/1.png", "test/cat/1.png"))
    assert "no folder train" in str(error)
    assert "data.train=" in (error.fix or "")


def test_read__one_split_twice(fill):
    error = refused(fill("train/cat/1.png", "val/cat/1.png", "valid/cat/1.png"))
    assert "valid: val is val already" in str(error)


def test_read__a_folder_beside_the_splits(fill):
    error = refused(fill("train/cat/1.png", "test/cat/1.png", "extra/cat/1.png"))
    assert "extra: a folder with images beside those of the splits" in str(error)


def test_read__an_empty_folder_beside_the_splits_is_no_matter(fill):
    root = fill("train/cat/1.png", "test/cat/1.png")
    (root / "docs").mkdir()
    assert len(read(root).samples) == 2


def test_read__split_without_class_folders(fill):
    error = refused(fill("train/1.png", "train/2.png", "test/1.png"))
    assert "train: 2 images lie in it directly, without class folders" in str(error)


def test_read__images_without_class_folders(fill):
    error = refused(fill("1.png", "2.png"))
    assert "2 images lie in it directly" in str(error)
    assert "one folder per class" in (error.fix or "")


def test_detect__an_empty_folder_is_nothing(fill, tmp_path):
    (tmp_path / ".DS_Store").touch()
    assert FolderReader().detect(tmp_path) is None
    assert FolderReader().detect(fill("cat/1.png")) == "a folder with one folder per class"


def test_read__empty_folder(tmp_path):
    assert "no class folders and no images" in str(refused(tmp_path))


def test_read__table_beside_images(fill):
    root = fill("1.png")
    (root / "labels.csv").write_text("path,label\n1.png,a\n")
    assert f"data.train={root / 'labels.csv'}" in (refused(root).fix or "")


def test_read__parts_of_a_data_set_are_no_classes(fill):
    root = fill("images/1.png", "masks/1.png")
    (root / "labels.csv").write_text("path,label\n1.png,a\n")
    error = refused(root)
    assert "has images and masks where the class folders should be" in str(error)
    assert "labels.csv" in (error.fix or "")
    (root / "labels.csv").unlink()
    assert "take their task: graft --help" in (refused(root).fix or "")


def test_read__one_level_too_deep(fill):
    root = fill(*(f"{block}/{name}/1.png" for block in ("block0", "block1") for name in ("cat", "dog", "cow")))
    error = refused(root)
    assert "one level deeper" in str(error)
    assert f"data.train={root / 'block0'} data.test={root / 'block1'}" in (error.fix or "")
    assert "data.reader.class_level=2" in (error.fix or "")


def test_read__one_folder_around_everything(fill):
    root = fill("pictures/cat/1.png", "pictures/dog/1.png")
    error = refused(root)
    assert "one folder, pictures, whose 2 folders look like the classes" in str(error)
    assert error.fix == f"data.train={root / 'pictures'}"


def test_read__class_level_too_deep(fill):
    assert "class_level = 3" in str(refused(fill("a/cat/1.png"), class_level=3))


def test_read__classes_in_two_unicode_forms(fill):
    error = refused(fill("caf\u00e9/1.png", "cafe\u0301/1.png"))
    assert "same text in two Unicode forms" in str(error)


def test_read__missing_folder(fill):
    root = fill("cat/1.png")
    error = refused(root.with_name("daat"))
    assert "does not exist (did you mean 'data'?)" in str(error)


@pytest.mark.parametrize(("suffix", "tool"), [(".zip", "zipfile"), (".tar", "tarfile"), (".tgz", "tarfile")])
def test_read__archive(tmp_path, suffix, tool):
    path = tmp_path / f"data{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/1.png", b"")
    error = refused(path)
    assert "is an archive" in str(error)
    assert f"python -m {tool} -e {path}" in (error.fix or "")


def test_read__one_image(fill):
    assert "is one image" in str(refused(fill("cat/1.png") / "cat" / "1.png"))


def test_read__some_file(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert "is a file" in str(refused(tmp_path / "notes.txt"))


def test_read__impossible_path(tmp_path):
    assert "no usable path" in str(refused(tmp_path / ("x" * 300)))
    assert "does not exist" in str(refused(tmp_path / "a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("locked", [".", "cat", "cat/deep"])
def test_read__no_permission(fill, locked):
    root = fill("cat/deep/1.png", "dog/1.png")
    (root / locked).chmod(0)
    try:
        assert "cannot be listed" in str(refused(root))
    finally:
        (root / locked).chmod(0o755)


def test_read__other_options_are_a_mistake_of_the_caller(fill):
    with pytest.raises(TypeError, match="FolderOptions"):
        FolderReader().read(fill("cat/1.png"), CsvOptions())


def test_detect(fill):
    reader = FolderReader()
    root = fill("test/cat/1.png", "train/cat/1.png", "val/cat/1.png")
    assert reader.detect(root) == "a folder with train, val, test"
    assert reader.detect(root / "train") == "a folder with one folder per class"
    assert reader.detect(root / "train" / "cat" / "1.png") is None


def test_read__a_thousand_files_are_no_work(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    Image.new("L", (1, 1)).save(tmp_path / "cat" / "0.png")
    for number in range(1, 1000):
        os.link(tmp_path / "cat" / "0.png", tmp_path / ("cat", "dog")[number % 2] / f"{number}.png")
    assert len(read(tmp_path).samples) == 1000
