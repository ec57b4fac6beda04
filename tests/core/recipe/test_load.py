from __future__ import annotations

import tomllib
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.errors import RecipeError
from graft.plugins import Plugins
from graft.recipe import load_recipe
from graft.recipe.load import parse_override, read_toml

MINIMAL = 'task = "sorting"\ndata.train = "photos"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'task "sorting"', "recipe.toml line 1, column 6: expected '=' after a key in a key/value pair"),
        (
            b"task = sorting",
            'recipe.toml line 1, column 8: invalid value\nFix: write texts in quotes: task = "classification"',
        ),
        (b'\n\ntask = "sorting', "recipe.toml line 3, at the end: unterminated string"),
        (b"a = 1\na = 2", "recipe.toml line 2, at the end: cannot overwrite a value"),
        (b"[a]\n[a]\n", "recipe.toml line 2, column 3: cannot declare a twice"),
        (b"[a.b]\n[a.b]\n", "recipe.toml line 2, column 5: cannot declare a.b twice"),
        (b"x = [1,\n", "recipe.toml line 1, at the end: invalid value"),
        (b"\xff", "recipe.toml line 1: not in UTF-8\nFix: save the file in UTF-8"),
        ('a = 1\nb = "Größe"'.encode("latin-1"), "recipe.toml line 2: not in UTF-8\nFix: save the file in UTF-8"),
    ],
)
def test_read_toml__names_file_line_and_column(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        read_toml(path)
    assert str(caught.value).startswith(message)


def test_read_toml__with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_toml(path) == {"a": 1}


def test_read_toml__missing_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "")
    with pytest.raises(RecipeError) as caught:
        read_toml(tmp_path / "recipy.toml")
    assert str(caught.value) == (
        f"there is no recipe {tmp_path / 'recipy.toml'}\nFix: did you mean {tmp_path / 'recipe.toml'}?"
    )


def test_read_toml__missing_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no recipe"):
        read_toml(tmp_path / "no" / "recipe.toml")


def test_read_toml__a_folder(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is a folder, not a recipe\nFix: name a file"):
        read_toml(tmp_path)
    inside = write(tmp_path, "")
    with pytest.raises(RecipeError) as caught:
        read_toml(tmp_path)
    assert caught.value.fix == f"the recipe in it is {inside}"


# --- overrides -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("train.epochs=3", {"train": {"epochs": 3}}),
        (" train.epochs = 3 ", {"train": {"epochs": 3}}),
        ("head=linear", {"head": "linear"}),
        ("x=1e-3", {"x": 1e-3}),
        ("x=-1.5", {"x": -1.5}),
        ("x=true", {"x": True}),
        ("x=True", {"x": "True"}),
        ("x=none", {"x": "none"}),
        ('x="5"', {"x": "5"}),
        ("x=''", {"x": ""}),
        ("x=010", {"x": "010"}),
        ("x=[1, 2]", {"x": [1, 2]}),
        ('x=["a", "b"]', {"x": ["a", "b"]}),
        ("x={kind = 'mlp', dropout = 0.1}", {"x": {"kind": "mlp", "dropout": 0.1}}),
        ("x=1, 2", {"x": "1, 2"}),
        ("x=2024-01-01", {"x": "2024-01-01"}),
        ("x=5#1", {"x": "5#1"}),
        ("x=a=b", {"x": "a=b"}),
        ("x=../my photos/a.b", {"x": "../my photos/a.b"}),
        ("x=C:\\photos", {"x": "C:\\photos"}),
        ("x=1\ny = 2", {"x": "1\ny = 2"}),
        ("x.0=f1", {"x": {"0": "f1"}}),
        ('task.weights."a.b"=2', {"task": {"weights": {"a.b": 2}}}),
        ("task.weights.große katze=2", {"task": {"weights": {"große katze": 2}}}),
        ("#=1", {"#": 1}),
    ],
)
def test_parse_override(text: str, values: dict[str, Any]) -> None:
    assert parse_override(text) == values


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("train.epochs", "train.epochs: expected key=value (as in train.epochs=5)"),
        ("=3", "=3: expected key=value (as in train.epochs=5)"),
        ("", ": expected key=value (as in train.epochs=5)"),
        ("train..epochs=3", "train..epochs=3: a key between the dots is empty (as in train.epochs=5)"),
        (".=3", ".=3: a key between the dots is empty (as in train.epochs=5)"),
        ("head=", "head: no value (an empty text is written head='\"\"')"),
        (
            "evaluation.metrics=[f1, auroc]",
            "evaluation.metrics: [f1, auroc] is no TOML (texts in lists and tables need quotes, and the shell needs "
            """quotes around all of it: 'evaluation.metrics=["a", "b"]')""",
        ),
        (
            'x="a',
            'x: "a is no TOML (texts in lists and tables need quotes, and the shell needs quotes around all of it: '
            """'x=["a", "b"]')""",
        ),
    ],
)
def test_parse_override__says_how_to_write_it(text: str, problem: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_override(text)
    assert [str(one) for one in caught.value.problems] == [f"command line: {problem}"]


@given(st.text())
def test_parse_override__never_breaks(text: str) -> None:
    try:
        values = parse_override(text)
    except RecipeError:
        return
    assert len(values) == 1


@given(st.text(min_size=1).filter(lambda text: text.strip() == text and text[:1] not in "[{\"'"))
def test_parse_override__a_text_without_quotes_is_that_text(text: str) -> None:
    (value,) = parse_override(f"key={text}").values()
    assert value == text or not isinstance(value, str)


# --- order ---------------------------------------------------------------------------------------------------------


def test_load_recipe__order(tmp_path: Path, plugins: Plugins) -> None:
    path = write(tmp_path, MINIMAL + 'domain = "moon"\n[strategy]\npreset = "calm"\n[train]\nbatch = 5\nepochs = 5\n')
    resolved = load_recipe(
        path, overrides=["train.batch=9"], base={"train.batch": 8, "train": {"patience": 2}}, plugins=plugins
    )
    assert resolved.recipe.train.model_dump(include={"batch", "epochs", "patience"}) == {
        "batch": 9,
        "epochs": 5,
        "patience": 2,
    }
    assert resolved.recipe.strategy.pace.lr == 0.25  # the preset's, over the domain's
    assert resolved.recipe.strategy.pace.head == 2.0  # the domain's
    expected = {
        "train.batch": "command line",
        "train.patience": "Python",
        "train.epochs": "recipe.toml",
        "strategy.preset": "recipe.toml",
        "strategy.pace.lr": "preset calm",
        "strategy.unfreeze.kind": "preset calm",
        "strategy.pace.head": "domain moon",
        "backbone.size": "domain moon",
        "augment.kind": "domain moon",
        "head.kind": "task sorting",
        "train.monitor": "task sorting",
        "train.seed": "default",
        "backbone.weights": "default",
        "task.bins": "default",
    }
    assert {path: resolved.origins[path] for path in expected} == expected


def test_load_recipe__an_override_after_a_shorthand(plugins: Plugins) -> None:
    base = {"task": "sorting", "data": {"train": "x"}}
    resolved = load_recipe(None, base=base, overrides=["head=deep", "head.dropout=0.5"], plugins=plugins)
    assert resolved.recipe.head is not None
    assert resolved.recipe.head.own["dropout"] == 0.5
    assert resolved.origins["head.dropout"] == "command line"


def test_load_recipe__an_override_before_the_kind_is_lost_with_the_kind_below(plugins: Plugins) -> None:
    base = {"task": "sorting", "data": {"train": "x"}, "head": {"kind": "fragile", "low": 0.5}}
    resolved = load_recipe(None, base=base, overrides=["head=deep"], plugins=plugins)
    assert resolved.recipe.head is not None
    assert "low" not in resolved.recipe.head.own


@pytest.mark.parametrize("words", list(permutations(["head.kind=deep", "head.dropout=0.5", "head.bias=false"])))
def test_load_recipe__order_of_overrides_does_not_matter(words: tuple[str, ...], plugins: Plugins) -> None:
    base = {"task": "sorting", "data": {"train": "x"}, "head": {"kind": "fragile", "low": 0.5}}
    head = load_recipe(None, base=base, overrides=words, plugins=plugins).recipe.head
    assert head is not None
    assert (head.kind, head.own["dropout"], head.own["bias"]) == ("deep", 0.5, False)
    assert "low" not in head.own


def test_load_recipe__order_of_python_values_does_not_matter(plugins: Plugins) -> None:
    base = {"head.dropout": 0.5, "head.kind": "deep", "task": "sorting", "data.train": "x"}
    head = load_recipe(None, base=base, plugins=plugins).recipe.head
    assert head is not None
    assert head.own["dropout"] == 0.5


def test_load_recipe__a_preset_after_what_refines_it(tmp_path: Path, plugins: Plugins) -> None:
    path = write(tmp_path, MINIMAL + '[strategy]\npreset = "wild"\n[strategy.pace]\nhead = 3.0\n')
    words = ["strategy.pace.lr=0.125", "strategy=calm"]
    for overrides in (words, words[::-1]):
        pace = load_recipe(path, overrides=overrides, plugins=plugins).recipe.strategy.pace
        assert (pace.lr, pace.warmup, pace.head) == (0.125, 0.5, 10.0)


def test_load_recipe__of_two_overrides_for_one_key_the_later_one_counts(plugins: Plugins) -> None:
    base = {"task": "sorting", "data": {"train": "x"}}
    words = ["head=deep", "train.batch=4", "head={kind='fragile', low=0.25}", "train.batch=8"]
    recipe = load_recipe(None, base=base, overrides=words, plugins=plugins).recipe
    assert recipe.train.batch == 8
    assert recipe.head is not None
    assert (recipe.head.kind, recipe.head.own["low"]) == ("fragile", 0.25)


def test_load_recipe__an_entry_of_a_list_that_is_given_beside_it(plugins: Plugins) -> None:
    base = {"task": "sorting", "data": {"train": "x"}}
    words = ['evaluation.metrics=["share", "share"]', "head.dropout=0.5", "evaluation.metrics.1=rank", "head=deep"]
    recipe = load_recipe(None, base=base, overrides=words, plugins=plugins).recipe
    assert recipe.evaluation.metrics == ("share", "rank")
    assert recipe.head is not None
    assert recipe.head.own["dropout"] == 0.5


def test_load_recipe__list_entry(plugins: Plugins) -> None:
    base = {"task": "sorting", "data.train": "x", "train.monitor": "rank"}
    resolved = load_recipe(None, base=base, overrides=["evaluation.metrics.0=rank"], plugins=plugins)
    assert resolved.recipe.evaluation.metrics == ("rank", "rank")
    assert resolved.origins["evaluation.metrics"] == "command line"


def test_load_recipe__height_and_width(plugins: Plugins) -> None:
    base = {"task": "sorting", "data.train": "x"}
    first = load_recipe(None, base=base, overrides=["backbone.size=[96,128]"], plugins=plugins)
    again = load_recipe(None, base=tomllib.loads(first.to_toml()), plugins=plugins)
    assert first.recipe.backbone.sides == again.recipe.backbone.sides == (96, 128)


def test_load_recipe__paths_and_none_from_python(plugins: Plugins) -> None:
    base = {"task": "sorting", "data": Path("photos"), "data.val": None, "head": None}
    resolved = load_recipe(None, base=base, plugins=plugins)
    assert resolved.recipe.data.train == "photos"
    assert resolved.recipe.data.val is None
    assert resolved.head.name == "flat"
    assert resolved.origins["data.train"] == "Python"


def test_load_recipe__shortcuts_of_the_command_line_are_called_so(plugins: Plugins) -> None:
    base = {"task": "sorting", "data": "x", "train.epochs": 0}
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, base=base, base_source="command line", plugins=plugins)
    assert [one.where for one in caught.value.problems] == ["command line: train.epochs"]


def test_load_recipe__broken_overrides_and_a_broken_file_at_once(tmp_path: Path, plugins: Plugins) -> None:
    path = write(tmp_path, MINIMAL + "train.epocs = 3")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides=["head", "train.batch=0"], plugins=plugins)
    assert [str(one) for one in caught.value.problems] == [
        "command line: head: expected key=value (as in train.epochs=5)",
        "command line: train.batch: expected a whole number above 0 or 'auto', got 0",
        "recipe.toml: train.epocs: unknown key (did you mean 'epochs'?)",
    ]


def test_load_recipe__nothing_at_all(plugins: Plugins) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, plugins=plugins)
    assert [str(one) for one in caught.value.problems] == [
        "command line: task: missing (what is predicted)",
        "command line: data.train: missing (a folder or a file)",
    ]
