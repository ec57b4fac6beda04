from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graft.plugins import AugmentationSpec, BackboneSpec, DomainSpec, HeadSpec, StrategySpec, TaskSpec
from graft.plugins.checks import faults_of_returned

TASK = TaskSpec(
    name="counting",
    summary="Counts.",
    target="a.b:C",
    verb="count",
    takes="numbers",
    head="density",
    augment="flip",
    metrics=("mae",),
    monitor="mae",
)
HEAD = HeadSpec(name="h", summary="A head.", target="a:B", tasks=("counting",), needs="embedding")


def test_faults_of_returned__accepts_what_fits() -> None:
    assert faults_of_returned("graft_tasks", [TASK]) == ([TASK], [])
    assert faults_of_returned("graft_heads", (HEAD,)) == ([HEAD], [])
    augmentation = AugmentationSpec(
        name="a", summary="Varies.", target="a:b", options="a:O", requires={"x": "pip install x"}
    )
    assert faults_of_returned("graft_augmentations", {augmentation.name: augmentation}.values()) == ([augmentation], [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "two words"),
        ("name", "a:b"),
        ("name", None),
        ("summary", ""),
        ("summary", "two\nlines"),
        ("target", "a.b.C"),
        ("target", "a-b:C"),
        ("options", "Options"),
        ("requires", ["numpy"]),
        ("verb", "count it"),
        ("metrics", "mae"),
        ("metrics", ["mae"]),
        ("head", None),
        ("monitor", 3),
        ("recipe", ["train"]),
        ("demo", 3),
    ],
)
def test_faults_of_returned__names_the_field(field: str, value: Any) -> None:
    good, (fault,) = faults_of_returned("graft_tasks", [replace(TASK, **{field: value})])
    assert good == []
    assert f"`{field}`" in fault


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipe", "train"),
        ("recipes", {"counting": "train"}),
        ("recipes", ["counting"]),
        ("backbones", {"resnet18": ""}),
        ("backbones", ("resnet18",)),
        ("samples", {"labels": "a.b.c"}),
        ("demos", {"counting": 3}),
    ],
)
def test_faults_of_returned__names_the_field_of_a_domain(field: str, value: Any) -> None:
    domain = DomainSpec(name="sea", summary="The sea.", target="a:B", recipes={"counting": {}}, demos={"counting": {}})
    assert faults_of_returned("graft_domains", [domain]) == ([domain], [])
    (fault,) = faults_of_returned("graft_domains", [replace(domain, **{field: value})])[1]
    assert f"`{field}`" in fault


def test_faults_of_returned__checks_what_one_kind_alone_has() -> None:
    assert "`needs`" in faults_of_returned("graft_heads", [replace(HEAD, needs="both")])[1][0]  # type: ignore[arg-type]
    assert "`tasks`" in faults_of_returned("graft_heads", [replace(HEAD, tasks="counting")])[1][0]  # type: ignore[arg-type]
    source = BackboneSpec(name="zoo", summary="Many.", target="a:B", index="architectures.txt")
    assert "`index`" in faults_of_returned("graft_backbones", [source])[1][0]
    preset = StrategySpec(name="s", summary="A preset.", recipe=[])  # type: ignore[arg-type]
    assert "`recipe`" in faults_of_returned("graft_strategies", [preset])[1][0]


def test_faults_of_returned__gives_every_fault() -> None:
    _, faults = faults_of_returned("graft_heads", [replace(HEAD, name="", target="x"), HEAD, HEAD, 3])
    assert len(faults) == 4


def test_faults_of_returned__fits_names_a_function() -> None:
    assert "`fits`" in faults_of_returned("graft_heads", [replace(HEAD, fits="coarse")])[1][0]
    assert faults_of_returned("graft_heads", [replace(HEAD, fits="a.b:coarse")])[1] == []


def test_faults_of_returned__fitted_is_true_or_false() -> None:
    assert "`fitted`" in faults_of_returned("graft_heads", [replace(HEAD, fitted="yes")])[1][0]  # type: ignore[arg-type]
    assert faults_of_returned("graft_heads", [replace(HEAD, fitted=True)])[1] == []
