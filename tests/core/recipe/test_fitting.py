"""What of a recipe does not fit its backbone is said when the recipe is checked, and torch is not asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graft.errors import RecipeError
from graft.plugins import BackboneSpec, Plugins
from graft.recipe import resolve
from toys import head, toy_plugins

INDEXES = {"plain.txt": "zebra\nlion\n", "full.txt": "zebra\t4 8\nlion\t2 4 8 16\n"}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    package = tmp_path / "zoo_of_stages"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, text in INDEXES.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    sources = [
        BackboneSpec(name=name, summary="Animals.", target="zoo:Zoo", index=f"zoo_of_stages:{name}.txt")
        for name in ("plain", "full")
    ]
    coarse = replace(head("coarse", "toys:CoarseOptions"), needs="pyramid", fits="toys:coarse_enough")
    astray = replace(head("astray"), needs="pyramid", fits="toys:nowhere")
    return toy_plugins(*sources, coarse, astray)


def problems(plugins: Plugins, kind: str, **values: Any) -> list[str]:
    given = {"task": "sorting", "data": "x", "backbone": {"kind": kind, **values.pop("backbone", {})}, **values}
    try:
        resolve(given, plugins=plugins, source="r")
    except RecipeError as error:
        return [str(one) for one in error.problems]
    return []


def test_head__says_what_it_cannot_take(zoo: Plugins) -> None:
    assert problems(zoo, "full:zebra", head="coarse") == ["r: head.at_least: no stage is as coarse as 16 (there is 8)"]
    assert problems(zoo, "full:zebra", head={"kind": "coarse", "at_least": 8}) == []
    assert problems(zoo, "full:lion", head="coarse") == []


def test_head__sees_the_stages_that_are_left(zoo: Plugins) -> None:
    (problem,) = problems(zoo, "full:lion", head="coarse", backbone={"upto": "stage2"})
    assert problem.endswith("(there is 8)")


def test_upto__a_stage_that_there_is_not(zoo: Plugins) -> None:
    (problem,) = problems(zoo, "full:lion", head="coarse", backbone={"upto": "stage4"})
    assert problem.startswith(
        "r: backbone.upto: the backbone has no stage 'stage4', but stem, stage1, stage2, stage3 ("
    )


@pytest.mark.parametrize(
    ("unfreeze", "key", "stage"),
    [
        ({"kind": "from", "stage": "stage2"}, "stage", "stage2"),
        ({"kind": "from", "stage": -3}, "stage", "-3"),
        ({"kind": "surgical", "stages": ["stem", "stage7"]}, "stages", "stage7"),
    ],
)
def test_unfreeze__a_stage_that_there_is_not(zoo: Plugins, unfreeze: dict[str, Any], key: str, stage: str) -> None:
    (problem,) = problems(zoo, "full:zebra", strategy={"unfreeze": unfreeze})
    assert problem.startswith(f"r: strategy.unfreeze.{key}: the backbone has no stage '{stage}', but stem, stage1")
    assert problems(zoo, "full:zebra", strategy={"unfreeze": {"kind": "surgical", "stages": ["stem", -1]}}) == []


def test_everything_at_once(zoo: Plugins) -> None:
    found = problems(zoo, "full:zebra", head="coarse", strategy={"unfreeze": {"kind": "from", "stage": "stage2"}})
    assert [one.split(":")[1].strip() for one in found] == ["strategy.unfreeze.stage", "head.at_least"]


def test_where_the_index_says_nothing_the_built_network_is_asked(zoo: Plugins) -> None:
    strategy = {"unfreeze": {"kind": "from", "stage": "stage9"}}
    assert problems(zoo, "plain:zebra", head="coarse", strategy=strategy) == []
    assert problems(zoo, "timm:beyond_the_index", head="coarse", strategy=strategy) == []


def test_head__whose_fits_cannot_be_imported(zoo: Plugins) -> None:
    (problem,) = problems(zoo, "full:zebra", head="astray")
    assert problem.startswith("r: head.kind: head 'astray' of plugin toys")
    assert "nowhere" in problem
