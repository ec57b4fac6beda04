"""What a plugin contributes: frozen descriptions whose targets are strings, imported on first use.

A descriptor can be listed, checked for clashes and printed without importing the code that it names. `options`
names a pydantic model in an import-light module, so that a recipe is checked without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

HOOK_API = 1
"""The version of this contract. A plugin module declares the one that it was written for: `HOOK_API = 1`."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What every contribution has.

    Args:
        name: The name that recipes and commands use, unique within its kind.
        summary: One line for lists and `--help`.
        target: `package.module:attribute`, imported on first use.
        options: `package.module:Model`, a `graft.recipe.Options` subclass in a torch-free module.
        requires: Modules that must be importable when it is used, each with what to install for it.
    """

    kind: ClassVar[str]

    name: str
    summary: str
    target: str
    options: str | None = None
    requires: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Descriptor):
    """A task. `target` is a `graft.tasks.Task` class.

    Args:
        verb: The command group, as in `graft classify train`.
        takes: The kind of target that a reader must give: `labels`, or another word that readers agree on.
        head: The default head.
        augment: The default augmentation preset.
        metrics: The metrics that are computed unless the recipe names others.
        monitor: The value on the validation split that picks the best epoch; larger is better.
        mixes: Which of `mixup` and `cutmix` make sense for it: when two images are mixed, the loss is the sum of the
            losses for either target, each by its share of the image.
        framing: How a file becomes the network's input. `crop`: as the weights' own preprocessing says. `pad`: the
            whole image, its longer side resized to the input's, the rest filled. `windows`: at its own resolution;
            training cuts crops of the input's size, evaluation and prediction slide windows of that size over it,
            and blend what the head gives for them: each of its outputs must be a map `(B, K, H, W)` of its input.
        files: File formats for `predict --format NAME --out FOLDER`, each with what a file holds, in a few words;
            `Task.write` writes them. The name is the files' suffix.
        sample: `package.module:function` that writes the sample data of what it takes, where core has none, called as
            `function(folder, seed=, size=, per_class=)`: into the folders `source` and `target`, each with train, val
            and test, and a `README.txt`. Returns the number of images.
        demo: What `graft demo VERB` sets in its recipes, by dotted keys, over what it sets for every task.
        recipe: What its recipes have by default, as a fragment over core's defaults and under a domain's.
        then: What a trained model is for, where that is not to predict: the command that the last line of training
            shows, with `{run}` for the run's folder and `{kind}` for its backbone.
    """

    kind: ClassVar[str] = "task"

    verb: str
    takes: str
    head: str
    augment: str
    metrics: tuple[str, ...]
    monitor: str
    mixes: tuple[str, ...] = ()
    framing: Literal["crop", "pad", "windows"] = "crop"
    files: Mapping[str, str] = field(default_factory=dict)
    sample: str | None = None
    demo: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    then: str | None = None


@dataclass(frozen=True, kw_only=True)
class DomainSpec(Descriptor):
    """A domain: where images come from. `target` is a `graft.domains.Domain` class.

    Args:
        recipe: A fragment that lies between the task's defaults and the user's recipe, for every task.
        recipes: Further fragments by the task's name, each over `recipe`.
        backbones: Architectures that suit its images, each with the reason.
        samples: `package.module:function` by the kind of target that a task takes, as `TaskSpec.sample`: the domain's
            own sample data.
        demos: What `graft demo VERB --domain NAME` sets over what the task's own demo does, by the task's name.
    """

    kind: ClassVar[str] = "domain"

    recipe: Mapping[str, Any] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    backbones: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, str] = field(default_factory=dict)
    demos: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Descriptor):
    """A source of backbones. `target` is a `graft.backbones.BackboneSource` class.

    Args:
        index: `package:file`, a text resource with an architecture per line: names are checked without torch. Behind a
            name, a tab and the reductions of its stages, stem first (`resnet50<TAB>2 4 8 16 32`), let it be checked
            without torch, too, whether a head and a strategy can take the backbone; its stages are then called `stem`,
            `stage1` …
        resave: How a file of the library's own, which holds more than tensors and is refused, becomes one of tensors:
            what a user types, with whom to trust. None where saying it in general is enough.
    """

    kind: ClassVar[str] = "backbone"

    index: str
    resave: str | None = None


@dataclass(frozen=True, kw_only=True)
class HeadSpec(Descriptor):
    """A head. `target` is a `graft.tasks.Head` class.

    Args:
        tasks: The tasks that it serves.
        needs: What it reads from the backbone.
        fits: `package.module:function`, in a torch-free module, which says what of a backbone the head cannot take.
            Called as `function(reductions, options)`, the reductions of all stages, stem first, and the head's options,
            it returns None or a `graft.errors.Problem` whose `where` is the recipe's key, as in `head.kind`.
        fitted: Whether it is a `graft.tasks.FittedHead`: fitted at once to what the backbone, as it is, gives for the
            training images. A recipe with it trains nothing else, and says so by default.
        sequences: Whether it reads the frames of sequences, with `Features.lengths`. Other heads get, for a sequence,
            the mean over its frames.
    """

    kind: ClassVar[str] = "head"

    tasks: tuple[str, ...]
    needs: Literal["embedding", "pyramid"]
    fits: str | None = None
    fitted: bool = False
    sequences: bool = False


@dataclass(frozen=True, kw_only=True)
class ReaderSpec(Descriptor):
    """A data format. `target` is a `graft.data.Reader` class.

    Args:
        gives: The kind of target in its samples; it serves the tasks whose `takes` is the same word.
    """

    kind: ClassVar[str] = "reader"

    gives: str


@dataclass(frozen=True, kw_only=True)
class WriterSpec(Descriptor):
    """A data format that `graft data convert` writes. `target` is a `graft.data.Writer` class.

    Args:
        takes: The kind of target that it writes; it serves what readers read whose `gives` is the same word.
    """

    kind: ClassVar[str] = "writer"

    takes: str


@dataclass(frozen=True, kw_only=True)
class DecoderSpec(Descriptor):
    """What turns image files into pixels. `target` is a `graft.data.Decoder` class.

    Args:
        suffixes: Of files that it reads and core's standard one does not, as in `.dcm`: for hints.
    """

    kind: ClassVar[str] = "decoder"

    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OutputSpec(Descriptor):
    """A form in which `predict --format NAME --out FOLDER` writes predictions. `target` is a `graft.outputs.Output`.

    Args:
        tasks: The tasks that it serves.
    """

    kind: ClassVar[str] = "output"

    tasks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AugmentationSpec(Descriptor):
    """An augmentation preset. `target` is called as `target(size=(H, W), options=…)` and gives an `Augmentation`."""

    kind: ClassVar[str] = "augmentation"

    tasks: tuple[str, ...] = ()
    """The tasks that it serves; empty for every task."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Descriptor):
    """A metric. `target` is a `graft.evaluation.Metric` class."""

    kind: ClassVar[str] = "metric"

    tasks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StrategySpec:
    """A strategy preset: a readable fragment of the recipe's `[strategy]` table."""

    kind: ClassVar[str] = "strategy"

    name: str
    summary: str
    recipe: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Descriptor):
    """A command. `target` is a `typer.Typer` app."""

    kind: ClassVar[str] = "command"


Contribution = Descriptor | StrategySpec

HOOKS: Mapping[str, type[Descriptor] | type[StrategySpec]] = {
    "graft_tasks": TaskSpec,
    "graft_domains": DomainSpec,
    "graft_backbones": BackboneSpec,
    "graft_heads": HeadSpec,
    "graft_readers": ReaderSpec,
    "graft_writers": WriterSpec,
    "graft_decoders": DecoderSpec,
    "graft_outputs": OutputSpec,
    "graft_augmentations": AugmentationSpec,
    "graft_metrics": MetricSpec,
    "graft_strategies": StrategySpec,
    "graft_commands": CommandSpec,
}
"""Each hook and the one kind of descriptor that it returns."""
