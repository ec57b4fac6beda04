from __future__ import annotations

from typing import Any

from graft.plugins import Plugins
from graft.recipe.layers import Layer
from graft.recipe.stacking import stack


def strategy(plugins: Plugins, *written: Any, domain: str | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """What is laid at `strategy`, with its origins, without the defaults."""
    layers = [Layer.of({"domain": domain}, "file")] if domain else []
    layers += [Layer.of({"strategy": values}, f"layer {index}") for index, values in enumerate(written)]
    tree = stack(layers, plugins)
    origins = {
        ".".join(path[1:]): source
        for path, source in tree.origins.items()
        if path[0] == "strategy" and source != "default"
    }
    return tree.values["strategy"], origins


def test_stack__a_preset_lies_below_what_refines_it(plugins: Plugins) -> None:
    values, origins = strategy(plugins, {"preset": "calm", "pace": {"lr": 1.0}})
    assert values["pace"]["lr"] == 1.0
    assert values["pace"]["warmup"] == 0.5
    assert values["unfreeze"] == {"kind": "none"}
    assert origins == {
        "preset": "layer 0",
        "pace.lr": "layer 0",
        "pace.warmup": "preset calm",
        "unfreeze.kind": "preset calm",
    }


def test_stack__a_preset_named_later_lies_below_a_file_without_one(plugins: Plugins) -> None:
    values, origins = strategy(plugins, {"pace": {"lr": 1.0}}, "calm")
    assert values["pace"]["lr"] == 1.0
    assert origins["preset"] == "layer 1"
    assert origins["unfreeze.kind"] == "preset calm"


def test_stack__another_preset_drops_what_refined_the_first(plugins: Plugins) -> None:
    values, origins = strategy(plugins, {"preset": "calm", "pace": {"lr": 1.0, "head": 3.0}}, "wild")
    assert values["preset"] == "wild"
    assert values["pace"]["lr"] == 8.0
    assert values["unfreeze"] == {"kind": "all"}
    assert origins == {"preset": "layer 1", "pace.lr": "preset wild"}


def test_stack__another_preset_keeps_what_comes_after_it(plugins: Plugins) -> None:
    values, _ = strategy(plugins, "calm", {"preset": "wild", "pace": {"head": 2.0}}, {"pace": {"head": 4.0}})
    assert values["pace"] == {**values["pace"], "lr": 8.0, "head": 4.0}


def test_stack__the_same_preset_again_changes_nothing(plugins: Plugins) -> None:
    values, _ = strategy(plugins, {"preset": "calm", "pace": {"lr": 1.0}}, "calm")
    assert values["pace"]["lr"] == 1.0


def test_stack__a_preset_lies_over_the_domain(plugins: Plugins) -> None:
    values, origins = strategy(plugins, "calm", domain="moon")
    assert values["pace"]["lr"] == 0.25
    assert values["pace"]["head"] == 2.0
    assert origins["pace.head"] == "domain moon"


def test_stack__unknown_names_add_no_layer(plugins: Plugins) -> None:
    layers = [Layer.of({"task": "x", "domain": "x", "strategy": "x"}, "file")]
    tree = stack(layers, plugins)
    assert set(tree.origins.values()) == {"default", "file"}


def test_stack__nonsense_is_laid_as_it_is(plugins: Plugins) -> None:
    tree = stack([Layer.of({"task": 3, "strategy": 4, "domain": [5]}, "file")], plugins)
    assert (tree.values["task"], tree.values["strategy"], tree.values["domain"]) == (3, 4, [5])


def test_stack__a_table_after_another_preset_in_the_domain(plugins: Plugins) -> None:
    """A domain may choose a preset, too; the file's own replaces it with all that the domain said beside it."""
    from graft.plugins import DomainSpec
    from toys import toy_plugins

    fragment = {"strategy": {"preset": "wild", "pace": {"head": 7.0}}}
    more = toy_plugins(DomainSpec(name="sun", summary="Sun", target="toys:D", recipe=fragment))
    values, _ = strategy(more, domain="sun")
    assert values["pace"]["head"] == 7.0
    assert values["pace"]["lr"] == 8.0
    values, _ = strategy(more, "calm", domain="sun")
    assert values["pace"]["head"] == 10.0
    assert values["pace"]["lr"] == 0.25


def test_stack__a_domain_lies_over_the_task_and_says_more_of_one_task(plugins: Plugins) -> None:
    from dataclasses import replace

    from graft.plugins import DomainSpec, TaskSpec
    from toys import toy_plugins

    said = {"train": {"epochs": 3, "batch": 4}, "split": {"val": 0.25}}
    hunting = replace(plugins.find(TaskSpec, "sorting"), name="hunting", verb="hunt", recipe=said)
    sun = DomainSpec(
        name="sun",
        summary="Sun",
        target="toys:D",
        recipe={"train": {"epochs": 5, "seed": 9}},
        recipes={"hunting": {"train": {"epochs": 6}}},
    )
    more = toy_plugins(hunting, sun)

    def train(task: str, **written: object) -> dict[str, object]:
        tree = stack([Layer.of({"task": task, **written}, "file")], more)
        return {key: tree.values["train"][key] for key in ("epochs", "batch")}

    assert train("hunting") == {"epochs": 3, "batch": 4}
    assert train("sorting", domain="sun")["epochs"] == 5
    assert train("hunting", domain="sun") == {"epochs": 6, "batch": 4}
    assert train("hunting", domain="sun", train={"epochs": 8}) == {"epochs": 8, "batch": 4}
    tree = stack([Layer.of({"task": "hunting", "domain": "sun"}, "file")], more)
    assert tree.origins[("train", "epochs")] == "domain sun"
    assert tree.origins[("train", "batch")] == "task hunting"
