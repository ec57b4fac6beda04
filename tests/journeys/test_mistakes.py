"""What people get wrong: each mistake is a typed error naming file and field, exit 2, no traceback, nothing started."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from photos import COLOURS, picture, write_photos


@dataclass(frozen=True)
class Mistake:
    """A command line, and what its message must contain."""

    arguments: tuple[str, ...]
    says: tuple[str, ...]


Case = Callable[[Path], Mistake]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def train(*arguments: object, says: tuple[str, ...]) -> Mistake:
    return Mistake(("classify", "train", *(str(argument) for argument in arguments)), says)


def photos(folder: Path) -> Path:
    return write_photos(folder / "photos")


def recipe(folder: Path, text: str, data: Path | None = None) -> Path:
    path = folder / "recipe.toml"
    body = f'task = "classification"\n{text}\n'
    if "[data]" not in text:
        body += f'[data]\ntrain = "{data or photos(folder)}"\n'
    path.write_text(body, encoding="utf-8")
    return path


def table(folder: Path, rows: str, header: str = "path,label") -> Path:
    write_photos(folder / "photos")
    path = folder / "labels.csv"
    path.write_text(f"{header}\n{rows}", encoding="utf-8")
    return path


GOOD_ROWS = "".join(f"photos/{name}/{name}-{index:02}.png,{name}\n" for name in COLOURS for index in range(6))


# --- recipes -------------------------------------------------------------------------------------------------------


@case
def unknown_table(folder: Path) -> Mistake:
    path = recipe(folder, "[strateggy]\npreset = 'fixed'")
    return train("--recipe", path, says=("recipe.toml", "strateggy", "unknown key", "did you mean 'strategy'?"))


@case
def unknown_nested_key(folder: Path) -> Mistake:
    path = recipe(folder, "[strategy.pace]\nwarmupp = 0.1")
    return train("--recipe", path, says=("recipe.toml: strategy.pace.warmupp", "did you mean 'warmup'?"))


@case
def words_for_a_number(folder: Path) -> Mistake:
    path = recipe(folder, "[train]\nepochs = 'many'")
    return train("--recipe", path, says=("recipe.toml: train.epochs", "many"))


@case
def no_epochs(folder: Path) -> Mistake:
    return train(photos(folder), "train.epochs=0", says=("train.epochs", "command line"))


@case
def negative_rate(folder: Path) -> Mistake:
    return train(photos(folder), "strategy.pace.lr=-1e-3", says=("strategy.pace.lr",))


@case
def another_task_than_the_verb(folder: Path) -> Mistake:
    path = folder / "recipe.toml"
    path.write_text(f'task = "detection"\n[data]\ntrain = "{photos(folder)}"\n')
    return train("--recipe", path, says=("recipe.toml", "detection"))


@case
def unknown_head(folder: Path) -> Mistake:
    return train(photos(folder), "head=lineer", says=("head", "lineer", "did you mean 'linear'?"))


@case
def unknown_head_option(folder: Path) -> Mistake:
    return train(photos(folder), "head=mlp", "head.dropuot=0.1", says=("head.dropuot", "did you mean 'dropout'?"))


@case
def option_of_another_head(folder: Path) -> Mistake:
    return train(photos(folder), "head.hidden=[256]", says=("head.hidden", "of the head 'linear'", "a key of 'mlp'"))


@case
def number_for_a_list(folder: Path) -> Mistake:
    return train(photos(folder), "head=mlp", "head.hidden=256", says=("head.hidden", "expected a list", "write [256]"))


@case
def text_for_a_list(folder: Path) -> Mistake:
    return train(photos(folder), "evaluation.metrics=f1", says=("evaluation.metrics", 'write ["f1"]'))


@case
def unknown_architecture(folder: Path) -> Mistake:
    return train(photos(folder), "backbone.kind=resnet5", says=("backbone", "resnet5", "did you mean"))


@case
def unknown_source(folder: Path) -> Mistake:
    return train(photos(folder), "backbone.kind=tim:resnet50", says=("backbone", "tim", "did you mean"))


@case
def unknown_augmentation(folder: Path) -> Mistake:
    return train(photos(folder), "augment=basik", says=("augment", "basik", "did you mean 'basic'?"))


@case
def unknown_augmentation_option(folder: Path) -> Mistake:
    return train(photos(folder), "augment=basic", "augment.colr=0.1", says=("augment.colr", "unknown key"))


@case
def unknown_metric(folder: Path) -> Mistake:
    return train(photos(folder), 'evaluation.metrics=["acuracy"]', says=("evaluation.metrics", "acuracy"))


@case
def unknown_preset(folder: Path) -> Mistake:
    return train(photos(folder), "strategy.preset=fixd", says=("strategy.preset", "did you mean 'fixed'?"))


@case
def preset_of_another_name(folder: Path) -> Mistake:
    return train(photos(folder), "strategy=frozen", says=("strategy.preset", "'frozen'", "graft strategies list"))


@case
def unknown_unfreeze(folder: Path) -> Mistake:
    return train(photos(folder), "strategy.unfreeze=nothing", says=("strategy.unfreeze", "nothing"))


@case
def unknown_reader(folder: Path) -> Mistake:
    return train(photos(folder), "data.reader=foldr", says=("data.reader", "did you mean 'folder'?"))


@case
def unknown_reader_option(folder: Path) -> Mistake:
    return train(photos(folder), "data.reader=csv", "data.reader.delimeter=;", says=("data.reader.delimeter",))


@case
def unknown_domain(folder: Path) -> Mistake:
    return train(photos(folder), "domain=medicl", says=("domain", "medicl"))


@case
def unknown_monitor(folder: Path) -> Mistake:
    return train(photos(folder), "train.monitor=acuracy", says=("train.monitor", "acuracy"))


@case
def unknown_precision(folder: Path) -> Mistake:
    return train(photos(folder), "train.precision=fp8", says=("train.precision", "fp8"))


@case
def broken_toml(folder: Path) -> Mistake:
    path = folder / "recipe.toml"
    path.write_text('task = "classification\n')
    return train("--recipe", path, says=("recipe.toml", "line 1"))


@case
def recipe_is_missing(folder: Path) -> Mistake:
    return train("--recipe", folder / "recipy.toml", says=("recipy.toml", "Fix: "))


@case
def recipe_in_the_place_of_data(folder: Path) -> Mistake:
    path = recipe(folder, "")
    return train(path, says=("recipe.toml is a recipe", f"--recipe {path}"))


@case
def recipe_in_another_encoding(folder: Path) -> Mistake:
    path = folder / "recipe.toml"
    path.write_bytes('task = "Größe"\n'.encode("latin-1"))
    return train("--recipe", path, says=("recipe.toml", "UTF-8"))


@case
def no_data(folder: Path) -> Mistake:
    return train("train.epochs=3", says=("data", "graft classify train photos/"))


@case
def shares_leave_no_training_data(folder: Path) -> Mistake:
    return train(photos(folder), "data.split.val=0.6", "data.split.test=0.5", says=("data.split",))


@case
def unknown_split(folder: Path) -> Mistake:
    return train(photos(folder), "data.split=patient", says=("data.split", "patient"))


@case
def override_without_value(folder: Path) -> Mistake:
    return train(photos(folder), "train.epochs", says=("train.epochs", "key=value"))


@case
def unknown_option(folder: Path) -> Mistake:
    return train(photos(folder), "--epocs", "3", says=("--epocs", "--epochs"))


@case
def key_of_the_recipe_as_an_option(folder: Path) -> Mistake:
    return train(photos(folder), "--lr", "0.1", says=("--lr", "Fix: strategy.pace.lr=0.1"))


@case
def key_of_two_words_as_an_option(folder: Path) -> Mistake:
    return train(photos(folder), "--weight-decay=0.1", says=("Fix: strategy.regularise.weight_decay=0.1",))


@case
def three_mistakes_at_once(folder: Path) -> Mistake:
    path = recipe(folder, "[train]\nepochs = -1\nbach = 3\n[backbone]\nkind = 'resnet5'")
    return train("--recipe", path, says=("train.epochs", "train.bach", "backbone.kind"))


@case
def device_that_is_not_there(folder: Path) -> Mistake:
    return train(photos(folder), "train.device=cuda", says=("cuda",))


# --- weights -------------------------------------------------------------------------------------------------------


@case
def weights_file_is_missing(folder: Path) -> Mistake:
    return train(photos(folder), "backbone.weights=./tiny.safetensors", says=("tiny.safetensors", "Fix: "))


@case
def weights_are_text(folder: Path) -> Mistake:
    path = folder / "weights.pth"
    path.write_text("these are no weights")
    return train(photos(folder), f"backbone.weights={path}", says=("weights.pth",))


@case
def weights_run_code(folder: Path) -> Mistake:
    path = folder / "weights.pth"
    # What a hostile checkpoint looks like: a pickle (protocol 0) that would call os.mkdir. It is never loaded unsafely.
    path.write_bytes(b"cos\nmkdir\n(S'pwned'\ntR.")
    return train(photos(folder), f"backbone.weights={path}", says=("weights.pth",))


@case
def weights_are_truncated(folder: Path) -> Mistake:
    path = folder / "weights.safetensors"
    path.write_bytes((1000).to_bytes(8, "little") + b'{"a":')
    return train(photos(folder), f"backbone.weights={path}", says=("weights.safetensors",))


@case
def weights_of_another_network(folder: Path) -> Mistake:
    import torch
    from safetensors.torch import save_file

    path = folder / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(4, 3, 3, 3)}, path)
    return train(photos(folder), f"backbone.weights={path}", says=("other.safetensors", "missing", "without a place"))


@case
def weights_need_the_network(folder: Path) -> Mistake:
    return train(photos(folder), "backbone=resnet18", says=("offline", "graft backbones import"))


@case
def weights_of_unknown_name(folder: Path) -> Mistake:
    return train(photos(folder), "backbone.weights=ours", says=("ours",))


@case
def embedded_weights_of_another_network(folder: Path) -> Mistake:
    arguments = ("backbone.kind=resnet18", "backbone.weights=embedded")
    return train(photos(folder), *arguments, says=("embedded", "graft:tiny"))


@case
def unknown_stage(folder: Path) -> Mistake:
    return train(photos(folder), "backbone.upto=stage33", says=("backbone.upto", "stage33"))


# --- folders -------------------------------------------------------------------------------------------------------


@case
def folder_is_missing(folder: Path) -> Mistake:
    return train(folder / "fotos", says=("fotos",))


@case
def folder_is_empty(folder: Path) -> Mistake:
    (folder / "photos").mkdir()
    return train(folder / "photos", says=("photos",))


@case
def images_without_class_folders(folder: Path) -> Mistake:
    (folder / "photos").mkdir()
    picture((9, 9, 9), 0).save(folder / "photos" / "a.png")
    return train(folder / "photos", says=("photos", "class"))


@case
def one_class(folder: Path) -> Mistake:
    root = photos(folder)
    shutil.rmtree(root / "sky")
    shutil.rmtree(root / "leaf")
    return train(root, says=("apple",))


@case
def class_without_images(folder: Path) -> Mistake:
    root = photos(folder)
    (root / "cloud").mkdir()
    return train(root, says=("cloud",))


@case
def class_only_in_validation(folder: Path) -> Mistake:
    root = folder / "photos"
    write_photos(root / "train")
    write_photos(root / "val")
    shutil.rmtree(root / "train" / "sky")
    return train(root, says=("sky",))


@case
def an_archive(folder: Path) -> Mistake:
    archive = shutil.make_archive(str(folder / "photos"), "zip", photos(folder))
    return train(archive, says=("photos.zip",))


@case
def a_single_image(folder: Path) -> Mistake:
    path = folder / "a.png"
    picture((9, 9, 9), 0).save(path)
    return train(path, says=("a.png",))


def spoilt(folder: Path, content: bytes, name: str = "apple/apple-03.png") -> Path:
    root = photos(folder)
    (root / name).write_bytes(content)
    return root


@case
def image_of_no_bytes(folder: Path) -> Mistake:
    return train(spoilt(folder, b""), says=("apple-03.png", "empty", "on_bad"))


@case
def text_named_image(folder: Path) -> Mistake:
    return train(spoilt(folder, b"no picture at all"), says=("apple-03.png", "on_bad"))


@case
def truncated_image(folder: Path) -> Mistake:
    root = photos(folder)
    path = root / "apple" / "apple-03.png"
    path.write_bytes(path.read_bytes()[:900])
    return train(root, says=("apple-03.png", "truncated"))


@case
def garbled_image(folder: Path) -> Mistake:
    root = photos(folder)
    path = root / "apple" / "apple-03.png"
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(bytes(content))
    return train(root, says=("apple-03.png",))


@case
def oversized_image(folder: Path) -> Mistake:
    root = photos(folder)
    picture((9, 9, 9), 0, size=200).save(root / "apple" / "apple-03.png")
    return train(root, "data.max_pixels=10000", says=("apple-03.png", "oversized"))


@case
def every_image_of_a_class_is_bad(folder: Path) -> Mistake:
    root = photos(folder)
    for path in (root / "sky").iterdir():
        path.write_bytes(b"")
    return train(root, "data.on_bad=skip", says=("sky",))


@case
def duplicates_across_splits(folder: Path) -> Mistake:
    root = folder / "photos"
    for split in ("train", "val", "test"):
        write_photos(root / split)
    return train(root, "data.duplicates=stop", says=("apple-00.png", "train", "test"))


@case
def groups_that_are_not_there(folder: Path) -> Mistake:
    return train(photos(folder), "data.split=group", says=("group",))


@case
def given_split_that_is_not_there(folder: Path) -> Mistake:
    return train(photos(folder), "data.split=given", says=("given",))


# --- tables --------------------------------------------------------------------------------------------------------


@case
def table_without_its_column(folder: Path) -> Mistake:
    return train(table(folder, GOOD_ROWS, header="path,lable"), says=("labels.csv", "label", "lable"))


@case
def table_without_a_header(folder: Path) -> Mistake:
    path = table(folder, "")
    path.write_text(GOOD_ROWS)
    return train(path, says=("labels.csv line 1", "apple-00.png", "path,label"))


@case
def table_names_missing_files(folder: Path) -> Mistake:
    return train(table(folder, GOOD_ROWS + "photos/gone.png,sky\n"), says=("labels.csv", "line 20", "gone.png"))


@case
def table_with_an_empty_label(folder: Path) -> Mistake:
    rows = GOOD_ROWS + "photos/sky/sky-09.png,\n"
    return train(table(folder, rows), says=("labels.csv", "line 20"))


@case
def table_with_an_unknown_split(folder: Path) -> Mistake:
    rows = GOOD_ROWS.replace("\n", ",train\n") + "photos/sky/sky-09.png,sky,tset\n"
    return train(table(folder, rows, header="path,label,split"), says=("labels.csv", "line 20", "tset"))


@case
def table_that_contradicts_itself(folder: Path) -> Mistake:
    rows = GOOD_ROWS + "photos/sky/sky-00.png,leaf\n"
    return train(table(folder, rows), says=("labels.csv", "sky-00.png"))


@case
def table_with_two_labels_in_a_cell(folder: Path) -> Mistake:
    rows = GOOD_ROWS + "photos/sky/sky-09.png,sky;leaf\n"
    return train(table(folder, rows), says=("sky-09.png", "multi"))


@case
def table_of_no_rows(folder: Path) -> Mistake:
    return train(table(folder, ""), says=("labels.csv",))


@case
def table_of_no_bytes(folder: Path) -> Mistake:
    path = folder / "labels.csv"
    path.write_bytes(b"")
    return train(path, says=("labels.csv",))


@case
def table_in_another_encoding(folder: Path) -> Mistake:
    write_photos(folder / "photos")
    path = folder / "labels.csv"
    path.write_bytes("path,label\nphotos/apple/apple-00.png,Äpfel\n".encode("latin-1"))
    return train(path, says=("labels.csv", "UTF-8"))


@case
def table_with_a_short_row(folder: Path) -> Mistake:
    return train(table(folder, GOOD_ROWS + "photos/sky/sky-09.png\n"), says=("labels.csv", "line 20"))


# --- runs ----------------------------------------------------------------------------------------------------------


@case
def run_is_missing(folder: Path) -> Mistake:
    return Mistake(("classify", "predict", str(folder / "run"), "a.png"), ("run",))


@case
def folder_is_no_run(folder: Path) -> Mistake:
    return Mistake(("classify", "evaluate", str(photos(folder))), ("photos",))


@case
def resume_what_is_no_run(folder: Path) -> Mistake:
    return Mistake(("resume", str(photos(folder))), ("photos",))


@case
def report_of_what_is_no_run(folder: Path) -> Mistake:
    return Mistake(("report", str(photos(folder))), ("photos",))


@case
def unknown_command(folder: Path) -> Mistake:
    return Mistake(("clasify", "train"), ("clasify", "classify"))


@case
def verb_without_its_task(folder: Path) -> Mistake:
    return Mistake(("train", str(photos(folder))), ("'train'", "graft classify train"))


@case
def unknown_verb(folder: Path) -> Mistake:
    return Mistake(("classify", "trian"), ("trian", "train"))


@case
def output_is_a_file(folder: Path) -> Mistake:
    (folder / "out").write_text("in the way")
    return train(photos(folder), "--out", folder / "out", says=("out",))


def test_there_are_sixty() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_mistake(name: str, cli: Graft, tmp_path: Path) -> None:
    mistake = CASES[name](tmp_path)
    result = cli(*mistake.arguments)
    assert result.code == 2, result.err
    assert "Traceback" not in result.err
    for text in mistake.says:
        assert text in result.err, result.err
    assert not (tmp_path / "runs").exists(), "a run was half started"
    assert not (tmp_path / "pwned").exists()
