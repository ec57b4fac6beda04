from __future__ import annotations

import tomllib
from typing import Any

import pytest

from graft.recipe.writing import to_lines, to_toml


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"head": {"kind": "mlp"}}, 'head = "mlp"\n'),
        ({"head": {"kind": "mlp", "x": 1}}, '[head]\nkind = "mlp"\nx = 1\n'),
        ({"strategy": {"preset": "p"}}, 'strategy = "p"\n'),
        ({"strategy": {"unfreeze": {"kind": "none"}}}, '[strategy]\nunfreeze = "none"\n'),
        ({"data": {"train": "x", "split": {"by": "given"}}}, '[data]\ntrain = "x"\nsplit = "given"\n'),
        ({"other": {"kind": "x"}}, '[other]\nkind = "x"\n'),
    ],
)
def test_to_toml__tables_that_say_one_thing_are_short(values: Any, text: str) -> None:
    assert to_toml(values) == text


def test_to_lines__are_toml_with_the_origin_beside_each_value() -> None:
    values = {"train": {"epochs": 3}, "head": {"kind": "m", "list": [{"a.b": "x\ny"}, 1.5], "none": {}}}
    text = to_lines(values, {"train.epochs": "command line"})
    assert tomllib.loads(text) == values
    assert text.splitlines()[0].split("  ", 1)[0] == "train.epochs = 3"
    assert text.splitlines()[0].endswith("  # command line")
    assert len({line.index("  # ") for line in text.splitlines() if len(line) < 40}) == 1
