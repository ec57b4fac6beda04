from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.recipe.layers import Layer, Tree, defaults, dotted, get, leaves, nested, plain
from graft.recipe.schema import Recipe


def laid(*layers: dict[str, Any]) -> Tree:
    tree = Tree()
    for index, values in enumerate(layers):
        tree.lay(Layer.of(values, f"layer {index}"))
    return tree


def test_lay__tables_merge_and_the_top_wins() -> None:
    tree = laid({"train": {"epochs": 1, "batch": 2}}, {"train": {"epochs": 3}})
    assert tree.values == {"train": {"epochs": 3, "batch": 2}}
    assert tree.origins == {("train", "epochs"): "layer 1", ("train", "batch"): "layer 0"}


@pytest.mark.parametrize(
    ("lower", "upper", "result"),
    [
        ({"head": {"kind": "a", "x": 1}}, {"head": "b"}, {"head": {"kind": "b"}}),
        ({"head": {"kind": "a", "x": 1}}, {"head": {"kind": "b", "y": 2}}, {"head": {"kind": "b", "y": 2}}),
        ({"head": {"kind": "a", "x": 1}}, {"head": "a"}, {"head": {"kind": "a", "x": 1}}),
        ({"head": {"kind": "a", "x": 1}}, {"head": {"y": 2}}, {"head": {"kind": "a", "x": 1, "y": 2}}),
        (
            {"head": {"kind": "a", "loss": {"kind": "focal", "gamma": 2}}},
            {"head": {"loss": {"kind": "plain"}}},
            {"head": {"kind": "a", "loss": {"kind": "plain"}}},
        ),
        ({"strategy": {"preset": "p", "pace": {"lr": 1}}}, {"strategy": "q"}, {"strategy": {"preset": "q"}}),
        (
            {"head": {"kind": "a", "preset": 1, "x": 1}},
            {"head": {"preset": 2}},
            {"head": {"kind": "a", "preset": 2, "x": 1}},
        ),
        (
            {"data": {"split": "random"}},
            {"data": {"split": {"val": 0.1}}},
            {"data": {"split": {"by": "random", "val": 0.1}}},
        ),
    ],
    ids=["text", "table", "the same kind", "no kind", "nested", "preset", "preset elsewhere", "split"],
)
def test_lay__another_kind_replaces_what_stood_beside_it(lower: Any, upper: Any, result: Any) -> None:
    tree = laid(lower, upper)
    assert tree.values == result
    assert set(tree.origins) == {path for path, _ in leaves(result)}


def test_lay__a_value_replaces_a_table_and_back() -> None:
    tree = laid({"train": {"epochs": 1}}, {"train": 3}, {"train": {"batch": 2}})
    assert tree.values == {"train": {"batch": 2}}
    assert tree.origins == {("train", "batch"): "layer 2"}


def test_lay__layers_stay_as_they_are() -> None:
    lower, upper = Layer.of({"a": {"b": [1]}}, "low"), Layer.of({"a": {"c": 2}}, "up")
    tree = Tree()
    for layer in (lower, upper, Layer.of({"a": {"b": {"0": 9}}}, "top")):
        tree.lay(layer)
    assert tree.values == {"a": {"b": [9], "c": 2}}
    assert lower.values == {"a": {"b": [1]}}


def test_lay__list_entries() -> None:
    tree = laid({"evaluation": {"metrics": ["a", "b"]}}, {"evaluation": {"metrics": {"1": "c"}}})
    assert tree.values == {"evaluation": {"metrics": ["a", "c"]}}
    assert tree.origins == {("evaluation", "metrics"): "layer 1"}
    assert tree.problems == []


def test_lay__no_such_list_entry() -> None:
    tree = laid({"evaluation": {"metrics": ["a", "b"]}}, {"evaluation": {"metrics": {"2": "c"}}})
    assert [str(one) for one in tree.problems] == [
        "layer 1: evaluation.metrics.2: no such entry in the list (it has 2 entries, counted from 0)"
    ]


def test_source__of_a_table_is_where_its_topmost_value_came_from() -> None:
    tree = laid({"a": {"x": 1, "y": 1}}, {"a": {"x": 2}}, {"b": 1})
    assert tree.source(("a",), "?") == "layer 1"
    assert tree.source(("a", "y"), "?") == "layer 0"
    assert tree.source(("b", "0", "c"), "?") == "layer 2"
    assert tree.source(("c",), "?") == "?"


def test_defaults__everything_that_has_one() -> None:
    values = defaults(Recipe)
    assert values["data"]["split"]["by"] == "auto"
    assert values["strategy"]["unfreeze"] == {"kind": "all"}
    assert set(values) == {"data", "backbone", "strategy", "train", "speed", "cache", "evaluation"}
    assert "train" not in values["data"]


def test_plain__what_python_offers() -> None:
    given = {
        "path": Path("a") / "b",
        "tuple": (1, np.float64(0.5), np.int64(3)),
        "none": None,
        "date": datetime.date(2024, 1, 2),
        "deep": [{"x": None, "y": np.bool_(True)}],
    }
    assert plain(given) == {
        "path": str(Path("a") / "b"),
        "tuple": [1, 0.5, 3],
        "date": "2024-01-02",
        "deep": [{"y": True}],
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [(("a", "b-1"), "a.b-1"), (("a", "b.c"), 'a."b.c"'), (("große",), '"große"')],
)
def test_dotted(path: tuple[str, ...], text: str) -> None:
    assert dotted(path) == text


keys = st.sampled_from("abc")
trees = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@given(trees, trees)
def test_lay__every_value_has_the_source_that_wrote_it(lower: Any, upper: Any) -> None:
    tree = laid(lower, upper)
    assert set(tree.origins) == {path for path, _ in leaves(tree.values)}
    for path, source in tree.origins.items():
        assert get(upper if source == "layer 1" else lower, path) == get(tree.values, path)
    assert all(tree.origins[path] == "layer 1" for path, _ in leaves(upper))


@given(trees)
def test_lay__twice_is_once(values: Any) -> None:
    assert laid(values, values).values == values


@given(st.lists(keys, min_size=1), st.integers())
def test_nested__is_the_inverse_of_get(path: list[str], value: int) -> None:
    assert get(nested(path, value), path) == value
