from __future__ import annotations

import subprocess
import sys

import pytest

from graft.errors import RecipeError
from graft.plugins import BackboneSpec, HeadSpec, Plugins, load_plugins
from graft.recipe import load_recipe

HEAVY = ("torch", "ultralytics", "cv2", "numpy", "yaml")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["detection", "yolo"])


def test_every_target_and_options_model_exists(plugins: Plugins) -> None:
    assert not plugins.broken
    (own,) = (plugin for plugin in plugins.loaded if plugin.name == "yolo")
    assert own.licence == "AGPL-3.0-only"
    for spec in plugins.contributions(own):
        assert spec.summary.endswith(".")
        assert plugins.target(spec)  # type: ignore[arg-type]
        assert plugins.options(spec).model_json_schema()  # type: ignore[arg-type]


def test_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, graft_yolo.plugin, graft_yolo.options, graft_yolo.needs\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_detection_works_without_it() -> None:
    plugins = load_plugins(names=["detection"])
    assert "yolo" not in plugins.specs(BackboneSpec)
    assert "yolo" not in plugins.specs(HeadSpec)


def test_recipe__what_does_not_fit_is_refused_before_torch(plugins: Plugins) -> None:
    base = {"task.kind": "detection", "data.train": "shapes"}

    def refused(*words: str) -> str:
        with pytest.raises(RecipeError) as caught:
            load_recipe(None, base=base, overrides=["head.kind=yolo", *words], plugins=plugins)
        return str(caught.value)

    assert "nms: only yolo26 learns to predict each object once, yolo11 needs it" in refused("head.nms=false")
    assert "head.finest: unknown key" in refused("head.finest=4")
    said = refused("backbone.kind=resnet18", "backbone.upto=stage3")
    assert "head.kind: YOLO connects maps of reductions 8, 16 and 32, and the backbone has 2, 4, 8, 16" in said
