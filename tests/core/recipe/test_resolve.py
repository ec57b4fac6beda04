from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.errors import RecipeError
from graft.plugins import HeadSpec, Plugins, StrategySpec, load_plugins
from graft.recipe import Recipe, ResolvedRecipe, load_recipe, resolve
from graft.recipe.writing import to_toml
from toys import toy_plugins

GOOD = 'task = "sorting"\ndata = "photos"\n'


def problems(text: str, plugins: Plugins) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        resolve(tomllib.loads(text), plugins=plugins, source="recipe.toml")
    return [str(one) for one in caught.value.problems]


BROKEN = {
    # keys
    "unknown section": (GOOD + "[trian]\nepochs = 3", "trian: unknown key (did you mean 'train'?)"),
    "unknown key": (GOOD + "[train]\nepocs = 3", "train.epocs: unknown key (did you mean 'epochs'?)"),
    "unknown deep key": (
        GOOD + "[strategy.pace]\nlayer_decya = 0.7",
        "strategy.pace.layer_decya: unknown key (did you mean 'layer_decay'?)",
    ),
    "key of another section": (GOOD + "epochs = 3", "epochs: unknown key (did you mean 'train.epochs'?)"),
    "deep key of another section": (GOOD + "lr = 3.0", "lr: unknown key (did you mean 'strategy.pace.lr'?)"),
    "unknown key that needs quotes": (
        GOOD + '[evaluation]\n"a b" = 1',
        'evaluation."a b": unknown key (known here: metrics, overlap, bootstrap)',
    ),
    "unknown key of a part": (
        GOOD + '[head]\nkind = "deep"\ndropuot = 0.1',
        "head.dropuot: unknown key of the head 'deep' (did you mean 'dropout'?)",
    ),
    "key of a part without options": (
        GOOD + "[head]\ndropout = 0.1",
        "head.dropout: unknown key of the head 'flat' (it is a key of 'deep')",
    ),
    "unknown key of a task": (
        'data = "x"\n[task]\nkind = "sorting"\nbin = 3',
        "task.bin: unknown key of the task 'sorting' (did you mean 'bins'?)",
    ),
    "unknown key of a reader": (
        'task = "sorting"\n[data]\ntrain = "x"\nreader = {kind = "csv", labl = "x"}',
        "data.reader.labl: unknown key of the reader 'csv' (did you mean 'label'?)",
    ),
    "key of the automatic reader": (
        GOOD.replace("data =", "data.train =") + 'data.reader.label = "x"',
        "data.reader.label: reader 'auto' takes no options (write data.reader.kind, too)",
    ),
    "unknown key of a domain": (
        GOOD + '[domain]\nkind = "moon"\nphase = 1',
        "domain.phase: unknown key of the domain 'moon' (it takes no options)",
    ),
    "unknown key of unfreeze": (
        GOOD + "[strategy.unfreeze]\nevery = 2",
        "strategy.unfreeze.every: unknown key of the way to unfreeze 'all' (it is a key of 'gradual')",
    ),
    "unknown key of a nested table": (
        GOOD + '[head]\nkind = "fragile"\ntip = {angle = 3, angel = 4}',
        "head.tip.angel: unknown key (did you mean 'angle'?)",
    ),
    "key of another way to unfreeze": (
        GOOD + '[strategy]\nunfreeze = {kind = "gradual", stages = ["stem"]}',
        "strategy.unfreeze.stages: unknown key of the way to unfreeze 'gradual' (it is a key of 'surgical')",
    ),
    "unknown key of an optimizer": (
        GOOD + '[strategy.pace]\noptimizer = {kind = "sgd", momentun = 0.5}',
        "strategy.pace.optimizer.momentun: unknown key of the optimizer 'sgd' (did you mean 'momentum'?)",
    ),
    "key of other optimizers": (
        GOOD + "[strategy.pace.optimizer]\nmomentum = 0.5",
        "strategy.pace.optimizer.momentum: unknown key of the optimizer 'adamw' (it is a key of 'sgd' and 'lars')",
    ),
    "key of another schedule": (
        GOOD + "[strategy.pace]\nschedule = {kind = 'one-cycle', patience = 3}",
        "strategy.pace.schedule.patience: unknown key of the schedule 'one-cycle' (it is a key of 'plateau')",
    ),
    "key of a schedule without options": (
        GOOD + "[strategy.pace]\nschedule = {kind = 'constant', cycles = 3}",
        "strategy.pace.schedule.cycles: unknown key of the schedule 'constant' "
        "(it is a key of 'cosine' and 'triangular' and 'triangular2')",
    ),
    # what is missing
    "no task": ('data = "x"', "task: missing (what is predicted)"),
    "no data": ('task = "sorting"', "data.train: missing (a folder or a file)"),
    "no kind": (
        GOOD + "[domain]",
        "domain.kind: missing (its name, or `plugin:name` where two plugins offer the same name)",
    ),
    "missing key of a part": (
        'task = "counting"\n[data]\ntrain = "x"\nreader = "dots"',
        "data.reader.column: missing (the column with the dots)",
    ),
    "missing key of a nested table": (
        GOOD + '[head]\nkind = "fragile"\ntip = {}',
        "head.tip.angle: missing (in degrees)",
    ),
    # types
    "text for a whole number": (
        GOOD + "[train]\nepochs = 'many'",
        "train.epochs: expected a whole number above 0, got 'many'",
    ),
    "number in quotes": (GOOD + "[train]\nepochs = '3'", "train.epochs: expected a whole number above 0, got '3'"),
    "decimal for a whole number": (
        GOOD + "[train]\nseed = 1.5",
        "train.seed: expected a whole number of at least 0 and below 4294967296, got 1.5",
    ),
    "true for a whole number": (
        GOOD + "[train]\nbatch = true",
        "train.batch: expected a whole number above 0 or 'auto', got true",
    ),
    "number for a text": (
        GOOD + "[backbone]\nweights = 3",
        "backbone.weights: expected a text that is not empty, got 3",
    ),
    "empty text": (
        'task = "sorting"\n[data]\ntrain = ""',
        "data.train: expected a text that is not empty, got ''",
    ),
    "number for a name": (GOOD + "head = 3", "head: expected a text or a table, got 3"),
    "number for a kind": (GOOD + "head.kind = 3", "head.kind: expected a text that is not empty, got 3"),
    "no side": (
        GOOD + "[backbone]\nsize = '96'",
        "backbone.size: expected a whole number above 0 or a list of 2, got '96'",
    ),
    "list for a table": (GOOD + "train = [1]", "train: expected a table, got a list"),
    "table for a number": (
        GOOD + "[train.epochs]\nx = 1",
        "train.epochs: expected a whole number above 0, got a table",
    ),
    "text for a list": (
        GOOD + "[evaluation]\nmetrics = 'rank'",
        "evaluation.metrics: expected a list, got 'rank' (write [\"rank\"])",
    ),
    "number for a list of a part": (
        GOOD + '[head]\nkind = "deep"\nlayers = 3',
        "head.layers: expected a list, got 3 (write [3])",
    ),
    "text for a list of numbers": (
        GOOD + '[head]\nkind = "deep"\nlayers = "x"',
        "head.layers: expected a list, got 'x'",
    ),
    "number in a list": (
        GOOD + "[evaluation]\nmetrics = ['share', 3]",
        "evaluation.metrics.1: expected a text that is not empty, got 3",
    ),
    "text for a number or a word": (
        GOOD + "[train]\nworkers = 'many'",
        "train.workers: expected a whole number of at least 0 or 'auto', got 'many'",
    ),
    "typo of the word": (
        GOOD + "[train]\nworkers = 'atuo'",
        "train.workers: expected a whole number of at least 0 or 'auto', got 'atuo' (did you mean 'auto'?)",
    ),
    "text for true or false": (
        GOOD + '[head]\nkind = "deep"\nbias = "yes"',
        "head.bias: expected true or false, got 'yes'",
    ),
    "text in a list of a part": (
        GOOD + '[head]\nkind = "deep"\nlayers = [3, "x"]',
        "head.layers.1: expected a whole number, got 'x'",
    ),
    "text in a table of a part": (
        GOOD.replace("task =", "task.kind =") + 'task.weights.a = "x"',
        "task.weights.a: expected a number, got 'x'",
    ),
    "long text": (
        GOOD + f"[train]\nepochs = '{'x' * 80}'",
        f"train.epochs: expected a whole number above 0, got '{'x' * 40}…'",
    ),
    # bounds
    "too small": (GOOD + "[train]\nepochs = 0", "train.epochs: expected a whole number above 0, got 0"),
    "negative rate": (GOOD + "[strategy.pace]\nlr = -1e-3", "strategy.pace.lr: expected a number above 0, got -0.001"),
    "infinite": (GOOD + "[train]\nclip = inf", "train.clip: expected a number of at least 0, got inf"),
    "no number": (GOOD + "[train]\nclip = nan", "train.clip: expected a number of at least 0, got nan"),
    "a share that is all": (
        GOOD + "[strategy.pace]\nwarmup = 1",
        "strategy.pace.warmup: expected a number of at least 0 and below 1, got 1",
    ),
    "out of a task's range": (
        GOOD.replace("task =", "task.kind =") + "task.bins = 10",
        "task.bins: expected a whole number of at least 1 and of at most 9, got 10",
    ),
    "no share": (
        GOOD + '[strategy.unfreeze]\nkind = "head-then-all"\nhead = 1.0',
        "strategy.unfreeze.head: expected a number above 0 and below 1, got 1.0",
    ),
    "no epoch": (
        GOOD + '[strategy.unfreeze]\nkind = "gradual"\nevery = 0',
        "strategy.unfreeze.every: expected a whole number above 0, got 0",
    ),
    "no stages": (
        GOOD + '[strategy.unfreeze]\nkind = "surgical"\nstages = []',
        "strategy.unfreeze.stages: expected a list that is not empty, got a list",
    ),
    "too much momentum": (
        GOOD + '[strategy.pace]\noptimizer = {kind = "sgd", momentum = 1.0}',
        "strategy.pace.optimizer.momentum: expected a number of at least 0 and below 1, got 1.0",
    ),
    "too much momentum in a list": (
        GOOD + "[strategy.pace.optimizer]\nbetas = [0.9, 2]",
        "strategy.pace.optimizer.betas.1: expected a number of at least 0 and below 1, got 2",
    ),
    "one momentum of two": (
        GOOD + "[strategy.pace.optimizer]\nbetas = [0.9]",
        "strategy.pace.optimizer.betas.1: missing",
    ),
    "a number for two": (
        GOOD + "[strategy.pace.optimizer]\nbetas = 0.9",
        "strategy.pace.optimizer.betas: expected a list of 2, got 0.9",
    ),
    "a fall after the end": (
        GOOD + '[strategy.pace]\nschedule = {kind = "step", at = [0.5, 10]}',
        "strategy.pace.schedule.at.1: expected a number above 0 and below 1, got 10",
    ),
    "a rate that is none": (
        GOOD + "[strategy.pace.rates]\nstem = 0",
        "strategy.pace.rates.stem: expected a number above 0, got 0",
    ),
    "no length of time": (
        GOOD + "[train]\nbudget = '10x'",
        "train.budget: '10x' is no length of time; write it as in 90s, 10m or 1h30m",
    ),
    "a length of time without a unit": (
        GOOD + "[train]\nbudget = 600",
        "train.budget: expected a text, got 600",
    ),
    "val and test take all": (
        'task = "sorting"\n[data]\ntrain = "x"\nsplit = {val = 0.6, test = 0.5}',
        "data.split: val = 0.6 and test = 0.5 leave nothing to train on",
    ),
    "a part's own check": (
        GOOD + '[head]\nkind = "fragile"\nlow = 2',
        "head: low must be below high",
    ),
    # choices
    "one of several words": (
        GOOD + "[train]\nprecision = 'fp8'",
        "train.precision: expected one of 'auto', 'fp32', 'bf16', 'fp16', got 'fp8'",
    ),
    "unknown optimizer": (
        GOOD + "[strategy.pace]\noptimizer = 'x'",
        "strategy.pace.optimizer.kind: there is no optimizer 'x' (there are adamw, adam, radam, sgd, lamb, lars, lion)",
    ),
    "typo of an optimizer": (
        GOOD + "[strategy.pace]\noptimizer = 'sdg'",
        "strategy.pace.optimizer.kind: there is no optimizer 'sdg' (did you mean 'sgd'?)",
    ),
    "unknown schedule": (
        GOOD + "[strategy.pace]\nschedule = 'x'",
        "strategy.pace.schedule.kind: there is no schedule 'x' (there are constant, step, exponential, cosine, "
        "one-cycle, triangular, triangular2, polynomial, plateau)",
    ),
    "typo of a schedule": (
        GOOD + "[strategy.pace.schedule]\nkind = 'onecycle'",
        "strategy.pace.schedule.kind: there is no schedule 'onecycle' (did you mean 'one-cycle'?)",
    ),
    "typo of a way to unfreeze": (
        GOOD + "strategy.unfreeze = 'graduel'",
        "strategy.unfreeze.kind: there is no way to unfreeze 'graduel' (did you mean 'gradual'?)",
    ),
    "number for an optimizer": (
        GOOD + "[strategy.pace]\noptimizer = 3",
        "strategy.pace.optimizer: expected a text or a table, got 3",
    ),
    "a word of a strategy": (
        GOOD + "[strategy]\nnorm = 'frozen'",
        "strategy.norm: expected one of 'follow', 'freeze', 'statistics', 'train', 'auto', got 'frozen' "
        "(did you mean 'freeze'?)",
    ),
    "a word of a part": (
        GOOD + '[head]\nkind = "deep"\nactivation = "rellu"',
        "head.activation: expected one of 'relu', 'gelu', got 'rellu' (did you mean 'relu'?)",
    ),
    "shorthand of a split": (
        'task = "sorting"\n[data]\ntrain = "x"\nsplit = "patient"',
        "data.split.by: expected one of 'auto', 'given', 'random', 'stratified', 'group', 'time', got 'patient'",
    ),
    # names
    "unknown task": ('task = "sortin"\ndata = "x"', "task.kind: there is no task 'sortin' (did you mean 'sorting'?)"),
    "unknown domain": (
        GOOD + 'domain = "marine"',
        "domain.kind: there is no domain 'marine'; there are moon (graft plugins list --kind domain)",
    ),
    "unknown head": (GOOD + 'head = "falt"', "head.kind: there is no head 'falt' (did you mean 'flat'?)"),
    "unknown augmentation": (
        GOOD + 'augment = "basik"',
        "augment.kind: there is no augmentation 'basik' (did you mean 'basic'?)",
    ),
    "unknown reader": (
        'task = "sorting"\n[data]\ntrain = "x"\nreader = "foldr"',
        "data.reader.kind: there is no reader 'foldr' (did you mean 'folder'?)",
    ),
    "unknown preset": (
        GOOD + 'strategy = "fixd"',
        "strategy.preset: there is no strategy 'fixd' (did you mean 'fixed'?)",
    ),
    "preset that is like no other": (
        GOOD + 'strategy = "zebra"',
        "strategy.preset: there is no strategy 'zebra'; there are auto, calm, discriminative, fixed, full, gradual, "
        "lp-ft, partial, surgical, wild (graft strategies list)",
    ),
    "unknown way to unfreeze": (
        GOOD + '[strategy]\nunfreeze = "nothing"',
        "strategy.unfreeze.kind: there is no way to unfreeze 'nothing' "
        "(there are none, all, from, surgical, gradual, head-then-all, auto)",
    ),
    "unknown backbone": (
        GOOD + 'backbone = "resnet5"',
        "backbone.kind: there is no backbone 'resnet5' (did you mean 'resnet50'?)",
    ),
    "unknown source of backbones": (
        GOOD + 'backbone = "tim:resnet50"',
        "backbone.kind: there is no source of backbones 'tim' (did you mean 'timm'?)",
    ),
    "unknown metric": (
        GOOD + "[evaluation]\nmetrics = ['share', 'rnak']",
        "evaluation.metrics.1: there is no metric 'rnak' (did you mean 'rank'?)",
    ),
    "a part that cannot be imported": (
        GOOD + 'head = "lost"',
        "head.kind: head 'lost' of plugin toys 1 cannot be used: toys:NoSuchOptions: AttributeError: module 'toys' has "
        "no attribute 'NoSuchOptions' (mend or upgrade toys; `graft plugins info toys` says what it is)",
    ),
    # what does not fit together
    "head of another task": (
        GOOD + 'head = "dotted"',
        "head.kind: head 'dotted' is for counting, not for sorting (there are deep, flat, fragile, lost)",
    ),
    "augmentation of another task": (
        GOOD + 'augment = "jitter"',
        "augment.kind: augmentation 'jitter' is for counting, not for sorting (there are basic, flip, none, strong)",
    ),
    "metric of another task": (
        GOOD + "[evaluation]\nmetrics = ['share', 'error']",
        "evaluation.metrics.1: metric 'error' is for counting, not for sorting (there are rank, share)",
    ),
    "reader of other targets": (
        'task = "counting"\n[data]\ntrain = "x"\nreader = "folder"',
        "data.reader.kind: reader 'folder' gives labels, but counting takes dots (there are dots)",
    ),
    "mixing for a task that cannot mix": (
        GOOD + "[strategy.regularise]\nmixup = 0.2",
        "strategy.regularise.mixup: sorting cannot mix its targets in proportion (leave it 0)",
    ),
    "pasting for a task that cannot mix": (
        GOOD + "[strategy.regularise]\ncutmix = 1",
        "strategy.regularise.cutmix: sorting cannot mix its targets in proportion (leave it 0)",
    ),
    "monitor that is no metric": (
        GOOD + "[train]\nmonitor = 'shaer'",
        "train.monitor: 'shaer' is not among evaluation.metrics (did you mean 'share'?)",
    ),
    "windows where there are none": (
        GOOD + "[evaluation]\noverlap = 0.5",
        "evaluation.overlap: sorting sees whole images, not windows (leave it out)",
    ),
    "monitor that is not measured": (
        GOOD + "[train]\nmonitor = 'rank.a'\n[evaluation]\nmetrics = ['share']",
        "train.monitor: 'rank.a' is not among evaluation.metrics (there are share)",
    ),
    "metrics without the task's monitor": (
        GOOD + "[evaluation]\nmetrics = ['rank']",
        "evaluation.metrics: 'share' is not among them, and train.monitor names it "
        "(add it, or set train.monitor to one of these)",
    ),
}


@pytest.mark.parametrize(("text", "problem"), BROKEN.values(), ids=BROKEN)
def test_resolve__a_mistake_in_plain_words(text: str, problem: str, plugins: Plugins) -> None:
    assert problems(text, plugins) == [f"recipe.toml: {problem}"]


def test_resolve__every_mistake_at_once(plugins: Plugins) -> None:
    text = GOOD + (
        '[train]\nepochs = -1\nbach = 3\n[backbone]\nkind = "resnet5"\n[head]\nkind = "deep"\ndropout = 2\n'
        '[strategy]\nunfreeze = "nothing"\n[evaluation]\nmetrics = ["error"]'
    )
    assert problems(text, plugins) == [
        "recipe.toml: train.epochs: expected a whole number above 0, got -1",
        "recipe.toml: train.bach: unknown key (did you mean 'batch'?)",
        "recipe.toml: backbone.kind: there is no backbone 'resnet5' (did you mean 'resnet50'?)",
        "recipe.toml: head.dropout: expected a number of at least 0 and below 1, got 2",
        "recipe.toml: strategy.unfreeze.kind: there is no way to unfreeze 'nothing' "
        "(there are none, all, from, surgical, gradual, head-then-all, auto)",
        "recipe.toml: evaluation.metrics.0: metric 'error' is for counting, not for sorting (there are rank, share)",
        "recipe.toml: evaluation.metrics: 'share' is not among them, and train.monitor names it "
        "(add it, or set train.monitor to one of these)",
    ]


def test_resolve__the_text_of_the_error(plugins: Plugins) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve({"task": "sorting", "data": "x", "epochs": 3, "lr": 1}, plugins=plugins, source="Python")
    assert str(caught.value) == (
        "the recipe has 2 mistakes\n"
        "  Python: epochs: unknown key (did you mean 'train.epochs'?)\n"
        "  Python: lr: unknown key (did you mean 'strategy.pace.lr'?)\n"
        "Fix: correct them; every key: graft recipe schema"
    )


def test_resolve__a_python_object(plugins: Plugins) -> None:
    values = {"task": "sorting", "data": "x", "head": {"kind": "deep", "name": object()}}
    with pytest.raises(RecipeError) as caught:
        resolve(values, plugins=plugins, source="Python")
    assert [str(one) for one in caught.value.problems] == [
        "Python: head.name: expected a text, a number, a list or a table, got a Python object of type object"
    ]


def test_resolve__a_mistake_of_a_plugin_is_called_so() -> None:
    bad = StrategySpec(name="bad", summary="Bad", recipe={"pace": {"lr": 0.0, "sped": 3}})
    assert problems(GOOD + 'strategy = "bad"', toy_plugins(bad)) == [
        "preset bad: strategy.pace.lr: expected a number above 0, got 0.0",
        "preset bad: strategy.pace.sped: unknown key (known here: "
        "lr, head, layer_decay, rates, optimizer, schedule, warmup)",
    ]


def test_resolve__a_name_of_two_plugins() -> None:
    from graft.plugins import PluginInfo
    from graft.plugins.loading import LoadedPlugin

    rival = HeadSpec(name="flat", summary="flat", target="toys:Head", tasks=("sorting",), needs="embedding")
    plugins = toy_plugins()
    info = PluginInfo(name="rival", version="2", distribution=None, licence=None, source="rival.py", hooks=())
    both = Plugins(
        [LoadedPlugin(info=owner, contributions=plugins.contributions(owner)) for owner in plugins.loaded]
        + [LoadedPlugin(info=info, contributions=(rival,))]
    )
    assert problems(GOOD, both) == [
        "task sorting: head.kind: head 'flat' is offered by toys and rival.py (write toys:flat or rival:flat)"
    ]
    resolved = resolve(tomllib.loads(GOOD + 'head = "rival:flat"'), plugins=both)
    assert resolved.head is rival
    assert resolve(tomllib.loads(resolved.to_toml()), plugins=both) == resolved


# --- what is resolved ----------------------------------------------------------------------------------------------


def resolved(text: str, plugins: Plugins) -> ResolvedRecipe:
    return resolve(tomllib.loads(text), plugins=plugins, source="recipe.toml")


def test_resolve__a_minimal_recipe_is_complete(plugins: Plugins) -> None:
    found = resolved(GOOD, plugins)
    recipe = found.recipe
    assert (recipe.head.kind, recipe.augment.kind) == ("flat", "basic")  # type: ignore[union-attr]
    assert recipe.evaluation.metrics == ("share", "rank")
    assert recipe.train.monitor == "share"
    assert recipe.task.own == {"bins": 3, "weights": {}}
    assert (found.task.name, found.head.name, found.augment.name) == ("sorting", "flat", "basic")
    assert [metric.name for metric in found.metrics] == ["share", "rank"]
    assert (found.backbone.name, found.arch) == ("graft", "tiny")
    assert (found.reader, found.reader_options) == (None, None)
    assert found.task_options.model_dump() == {"bins": 3, "weights": {}}
    assert found.augment_options == plugins.options(found.augment)()


def test_resolve__options_are_the_owners_model(plugins: Plugins) -> None:
    found = resolved(GOOD + '[head]\nkind = "deep"\nlayers = [8]\ndropout = 0', plugins)
    assert found.head_options == plugins.options(found.head)(layers=(8,), dropout=0.0)
    assert found.recipe.head is not None
    assert found.recipe.head.own == {"layers": [8], "dropout": 0.0, "activation": "relu", "bias": True}


def test_resolve__a_reader_that_fits(plugins: Plugins) -> None:
    found = resolved('task = "counting"\n[data]\ntrain = "x"\nreader = {kind = "dots", column = "c"}', plugins)
    assert found.reader is not None
    assert found.reader.name == "dots"
    assert found.reader_options is not None
    assert found.reader_options.model_dump() == {"column": "c"}


@pytest.mark.parametrize(
    ("kind", "source", "arch", "name"),
    [
        ("resnet50", "timm", "resnet50", "timm:resnet50"),
        ("torchvision:resnet50", "torchvision", "resnet50", "torchvision:resnet50"),
        ("resnet50.a1_in1k", "timm", "resnet50.a1_in1k", "timm:resnet50.a1_in1k"),
        ("timm:something_new", "timm", "something_new", "timm:something_new"),
    ],
)
def test_resolve__the_backbone_is_named_with_its_source(
    kind: str, source: str, arch: str, name: str, plugins: Plugins
) -> None:
    found = resolved(GOOD + f'backbone = "{kind}"', plugins)
    assert (found.backbone.name, found.arch, found.recipe.backbone.kind) == (source, arch, name)
    assert found.origins["backbone.kind"] == "recipe.toml"


def test_resolve__a_monitor_of_one_class(plugins: Plugins) -> None:
    assert resolved(GOOD + "[train]\nmonitor = 'rank.cat'", plugins).recipe.train.monitor == "rank.cat"


def test_resolve__an_origin_for_each_value(plugins: Plugins) -> None:
    from graft.recipe.layers import dotted, leaves

    found = resolved(GOOD + 'domain = "moon"\nhead = "deep"\nstrategy = "calm"', plugins)
    assert set(found.origins) == {dotted(path) for path, _ in leaves(found.values)}
    assert set(found.origins.values()) == {"default", "task sorting", "domain moon", "preset calm", "recipe.toml"}


def test_resolve__the_former_name_of_an_option_is_saved_as_the_new_one(plugins: Plugins) -> None:
    found = resolved(GOOD + 'head = {kind = "deep", biased = false}', plugins)
    assert found.values["head"]["bias"] is False
    assert "biased" not in found.values["head"]
    assert resolved(to_toml(found.values), plugins).values == found.values


def test_resolve__options_of_what_core_alone_offers_are_written_down(plugins: Plugins) -> None:
    text = "[strategy]\nunfreeze = 'gradual'\npace = {optimizer = 'sgd', schedule = {kind = 'cosine', cycles = 3}}"
    found = resolved(GOOD + text, plugins)
    strategy = found.recipe.strategy
    assert strategy.unfreeze.own == {"every": 1}
    assert strategy.pace.optimizer.own == {"momentum": 0.9, "nesterov": True}
    assert strategy.pace.schedule.own == {"cycles": 3}
    assert found.origins["strategy.pace.schedule.cycles"] == "recipe.toml"
    assert found.origins["strategy.pace.optimizer.momentum"] == "default"


@pytest.mark.parametrize(
    ("override", "key", "own"),
    [
        ("strategy.pace.schedule=one-cycle", "schedule", {"rise": 0.25, "start": 25.0, "final": 1e5}),
        ("strategy.pace.optimizer=sgd", "optimizer", {"momentum": 0.9, "nesterov": True}),
        ("strategy.pace.optimizer.betas.0=0.8", "optimizer", {"betas": [0.8, 0.999], "eps": 1e-8}),
    ],
)
def test_resolve__a_part_on_the_command_line(
    override: str, key: str, own: dict[str, Any], tmp_path: Path, plugins: Plugins
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD + "[strategy.pace.optimizer]\nbetas = [0.5, 0.999]\n", encoding="utf-8")
    found = load_recipe(path, overrides=[override], plugins=plugins)
    assert getattr(found.recipe.strategy.pace, key).own == own


def test_to_toml__what_is_not_given_is_left_out(plugins: Plugins) -> None:
    found = resolved(GOOD, plugins)
    written = tomllib.loads(found.to_toml())
    assert "warmup" not in written["strategy"]["pace"]
    assert "budget" not in written["train"]
    given = resolved(GOOD + "[strategy.pace]\nwarmup = 0.0\n[train]\nbudget = '10m'", plugins)
    written = tomllib.loads(given.to_toml())
    assert written["strategy"]["pace"]["warmup"] == 0.0
    assert written["train"]["budget"] == "10m"


# --- TOML and back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        "",
        'domain = "moon"\nstrategy = "calm"',
        'domain = "moon"\nbackbone = "resnet18"\nhead = "deep"\n[strategy]\npreset = "wild"\npace = {lr = 3.0}',
        '[head]\nkind = "fragile"\ntip = {angle = 1e-30}\nhigh = 12345678.9',
        '[head]\nkind = "deep"\nname = "a\\"b\\\\c\\u0007 ü"\nlayers = []',
        "[train]\nclip = 0\nworkers = 3\npatience = 2\nmonitor = 'rank'",
        '[strategy]\nunfreeze = "none"',
        '[strategy]\nunfreeze = {kind = "from", stage = -2}\nnorm = "statistics"',
        '[strategy]\nunfreeze = {kind = "surgical", stages = ["stem", -1]}',
        '[strategy.pace]\nwarmup = 0.1\noptimizer = {kind = "sgd", nesterov = false}\nschedule = "one-cycle"',
        '[strategy.pace]\nwarmup = 0\nrates = {stem = 1e-5, "odd.name" = 1}\nlayer_decay = 0.5',
        "[train]\nbudget = '1h30m'\nbatch = 'auto'\npatience = 3\n[speed]\nmode = 'auto'",
    ],
)
def test_to_toml__resolves_to_the_same_recipe(more: str, plugins: Plugins) -> None:
    first = resolved(GOOD + more, plugins)
    second = resolve(tomllib.loads(first.to_toml()), plugins=plugins)
    assert second == first
    assert second.to_toml() == first.to_toml()
    assert set(second.origins.values()) <= {"recipe", "default"}


def test_to_toml__keys_with_dots(plugins: Plugins) -> None:
    first = resolved(GOOD.replace("task =", "task.kind =") + '[task.weights]\n"a.b" = 2\n"große" = 1', plugins)
    assert resolve(tomllib.loads(first.to_toml()), plugins=plugins) == first
    assert first.origins['task.weights."a.b"'] == "recipe.toml"


def test_to_toml__a_saved_recipe_takes_overrides(tmp_path: Path, plugins: Plugins) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(resolved(GOOD + 'strategy = "calm"', plugins).to_toml(), encoding="utf-8")
    again = load_recipe(path, overrides=["strategy=full", "head=deep"], plugins=plugins)
    assert again.recipe.strategy == resolved(GOOD + 'strategy = "full"', plugins).recipe.strategy
    assert again.head.name == "deep"


numbers = st.floats(min_value=1e-12, max_value=1e12, allow_nan=False)


def tables(required: dict[str, Any], **optional: Any) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


deep = tables(
    {"kind": st.just("deep")},
    name=st.text(),
    layers=st.lists(st.integers(-(2**60), 2**60)),
    bias=st.booleans(),
)
PRESETS = ("fixed", "partial", "surgical", "lp-ft", "gradual", "discriminative", "full", "auto")
strategies = tables(
    {},
    preset=st.sampled_from(["calm", "wild", *PRESETS]),
    pace=tables({}, lr=numbers, head=numbers),
)
recipes = tables(
    {"task": st.just("sorting"), "data": st.text(min_size=1)},
    head=deep,
    strategy=strategies,
    domain=st.just("moon"),
    train=tables({}, clip=numbers | st.just(0), workers=st.just("auto") | st.integers(0, 9)),
)


@settings(max_examples=40, deadline=None)
@given(values=recipes)
def test_to_toml__resolves_to_the_same_recipe_whatever_it_says(values: Any, plugins: Plugins) -> None:
    first = resolve(values, plugins=plugins)
    assert resolve(tomllib.loads(first.to_toml()), plugins=plugins) == first
    assert Recipe.model_validate(first.recipe) == first.recipe


# --- with the plugins that are installed ---------------------------------------------------------------------------


def test_resolve__every_installed_preset() -> None:
    plugins = load_plugins(names=["classification"])
    for name in plugins.specs(StrategySpec):
        found = resolve({"task": "classification", "data": "x", "strategy": name}, plugins=plugins)
        assert found.recipe.strategy.preset == name
        assert resolve(tomllib.loads(found.to_toml()), plugins=plugins) == found


def test_recipe__is_light() -> None:
    """Checking a recipe imports none of the heavy libraries."""
    code = """
import sys
from graft.plugins import load_plugins
from graft.recipe import resolve
from graft.recipe.editing import json_schema
plugins = load_plugins()
resolve({"task": "classification", "data": "x", "backbone": "resnet50"}, plugins=plugins).to_toml()
json_schema(plugins)
heavy = {"torch", "timm", "lightning", "torchvision", "albumentations", "matplotlib", "sklearn", "numpy"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
