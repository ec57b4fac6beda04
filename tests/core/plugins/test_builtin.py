from __future__ import annotations

import importlib
from importlib import resources

import pytest

from graft.plugins import BackboneSpec, Descriptor, StrategySpec, core_plugins
from graft.recipe.schema import Options, Strategy

CORE = core_plugins()
OFFERED = CORE.contributions(CORE.loaded[0])
DESCRIPTORS = [one for one in OFFERED if isinstance(one, Descriptor)]


@pytest.mark.parametrize("spec", DESCRIPTORS, ids=lambda spec: f"{spec.kind}-{spec.name}")
def test_builtin__targets_and_options_exist(spec: Descriptor) -> None:
    assert CORE.target(spec) is not None
    assert issubclass(CORE.options(spec), Options)


@pytest.mark.parametrize("spec", CORE.specs(BackboneSpec).values(), ids=lambda spec: spec.name)
def test_builtin__indices_exist(spec: BackboneSpec) -> None:
    package, _, file = spec.index.partition(":")
    assert resources.files(importlib.import_module(package)).joinpath(file).read_text(encoding="utf-8").split()


@pytest.mark.parametrize("spec", CORE.specs(StrategySpec).values(), ids=lambda spec: spec.name)
def test_builtin__strategies_fit_the_schema(spec: StrategySpec) -> None:
    assert Strategy.model_validate(spec.recipe)


def test_builtin__summaries_are_sentences() -> None:
    assert [one.summary for one in OFFERED if not one.summary.endswith(".")] == []
