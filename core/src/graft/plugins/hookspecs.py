"""The hooks: one per kind of contribution, each returning an iterable of that kind's descriptor.

A plugin is a module that declares the hook API it was written for and implements any of these functions, marked with
`@hookimpl`. All of them are called without arguments when plugins are loaded, so the module must be light: targets
are strings that are imported on first use.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from graft.plugins.descriptors import (
    AugmentationSpec,
    BackboneSpec,
    CommandSpec,
    DecoderSpec,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    OutputSpec,
    ReaderSpec,
    StrategySpec,
    TaskSpec,
    WriterSpec,
)

PROJECT = "graft"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin module as the implementation of the hook whose name it has."""


@hookspec
def graft_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Offer tasks: what can be predicted.

    Each gets the commands `graft VERB train|evaluate|predict|export` from core. `verb` must differ from every other
    task's verb and from every command's name.

    What a network sees of a file is `framing`: a `crop` as its weights expect it, the whole image `pad`ded, or
    `windows` that slide over it at its own resolution. With the latter two, targets and predictions say places: see
    `graft.data.spatial`. `files` are formats of files that `predict` can write with `Task.write`, `sample` names a
    function that writes sample data for `graft data sample` and `graft demo`, and `demo` what the latter shall set.

    Example:
        ```python
        from graft.plugins import TaskSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_tasks():
            return [
                TaskSpec(
                    name="counting",
                    summary="How many objects an image shows.",
                    target="graft_counting.task:Counting",
                    options="graft_counting.options:CountingOptions",
                    verb="count",
                    takes="numbers",
                    head="density",
                    augment="flip",
                    metrics=("mae",),
                    monitor="mae",
                )
            ]
        ```
    """


@hookspec
def graft_domains() -> Iterable[DomainSpec]:  # type: ignore[empty-body]
    """Offer domains: where images come from, as a fragment of the recipe.

    The fragment is laid over the task's defaults and under the user's recipe, so whatever the user writes wins;
    `recipes` says more of single tasks.

    Example:
        ```python
        from graft.plugins import DomainSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_domains():
            return [
                DomainSpec(
                    name="plankton",
                    summary="Grey microscope images of single organisms.",
                    target="graft_plankton.domain:Plankton",
                    recipe={"augment": {"kind": "strong"}, "backbone": {"channels": 1}},
                    recipes={"segmentation": {"train": {"epochs": 40}}},
                )
            ]
        ```
    """


@hookspec
def graft_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """Offer sources of backbones: libraries of architectures, each with an index of their names.

    The index is a text file in the package with one architecture per line; recipes are checked against it, without
    importing the library. An architecture is asked for as `resnet50`, or as `SOURCE:resnet50`.

    Behind a name a tab and the reductions of its stages may follow, stem first: `resnet50<TAB>2 4 8 16 32`. A recipe
    whose head or strategy cannot take these stages is then refused when it is checked; without them it is refused when
    the network is built. Stages are called `stem`, `stage1` … from input to output.

    A pickle that holds more than tensors is refused. Where a library's own files are such, `resave` says what to type,
    with a file that is trusted, to make one of tensors of it.

    Example:
        ```python
        from graft.plugins import BackboneSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_backbones():
            return [
                BackboneSpec(
                    name="zoo",
                    summary="The architectures of the model zoo.",
                    target="graft_zoo.source:ZooSource",
                    index="graft_zoo:architectures.txt",
                    requires={"zoo": "pip install graft-zoo[zoo]"},
                )
            ]
        ```
    """


@hookspec
def graft_heads() -> Iterable[HeadSpec]:  # type: ignore[empty-body]
    """Offer heads: what turns a backbone's features into a task's outputs, with its loss and its decoding.

    `tasks` names the tasks that it serves, another plugin's too; `needs` says whether it reads the pooled
    `embedding` or the `pyramid` of feature maps.

    `fits` is for a head that cannot take every backbone. It names a function in a module without torch:

    ```python
    def needs_an_eighth(reductions: tuple[int, ...], options: BaseModel) -> Problem | None:
        if 8 in reductions:
            return None
        return Problem("head.kind", "needs feature maps of an eighth of the image's size", "take another backbone")
    ```

    It gets the reductions of all stages, stem first, and the head's options, and returns None or a
    `graft.errors.Problem` whose first value is the recipe's key that is to be changed. It is asked when a recipe is
    checked, where the backbone's index lists the reductions, and again when the network is built.

    `fitted=True` is for a `graft.tasks.FittedHead`, which does not learn by steps: the backbone describes all training
    images once, and the head's `fit` learns from these descriptions together. A recipe with such a head leaves the
    backbone as it is, varies no image and has one epoch, all by default (`head NAME` in the origins of its values);
    one that asks for something else is refused.

    `sequences=True` is for a head that reads sequences of images: `features.embedding` is then `(ΣT, D)`, the frames of
    one sequence behind those of the other, and `features.lengths` says how many each has; it is None for single images.
    Other heads get, for a sequence, the mean over its frames, and need not know.

    Example:
        ```python
        from graft.plugins import HeadSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_heads():
            return [
                HeadSpec(
                    name="cosine",
                    summary="A linear layer on normalised embeddings.",
                    target="graft_cosine.head:CosineHead",
                    options="graft_cosine.options:CosineOptions",
                    tasks=("classification",),
                    needs="embedding",
                )
            ]
        ```
    """


@hookspec
def graft_readers() -> Iterable[ReaderSpec]:  # type: ignore[empty-body]
    """Offer readers: data formats.

    A reader serves every task whose `takes` is the same word as its `gives`. With `data.reader = "auto"` all of them
    are asked whether they recognise the data.

    A sample may be a sequence of images: `Sample.frames` are then its files in order, and `path` is the first of them.

    Example:
        ```python
        from graft.plugins import ReaderSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_readers():
            return [
                ReaderSpec(
                    name="jsonl",
                    summary="One JSON object per line: path and label.",
                    target="graft_jsonl.reader:JsonlReader",
                    options="graft_jsonl.options:JsonlOptions",
                    gives="labels",
                )
            ]
        ```
    """


@hookspec
def graft_writers() -> Iterable[WriterSpec]:  # type: ignore[empty-body]
    """Offer writers: data formats that `graft data convert SOURCE OUT --to NAME` writes.

    A writer serves what any reader reads whose `gives` is the same word as its `takes`. It says what its format
    cannot hold, and that is shown.

    Example:
        ```python
        from graft.plugins import WriterSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_writers():
            return [
                WriterSpec(
                    name="jsonl",
                    summary="One JSON object per line: path and label.",
                    target="graft_jsonl.writer:JsonlWriter",
                    takes="labels",
                )
            ]
        ```
    """


@hookspec
def graft_decoders() -> Iterable[DecoderSpec]:  # type: ignore[empty-body]
    """Offer decoders: what turns image files into pixels, in training, prediction, evaluation and reports alike.

    A recipe names one as `data.decoder`; a domain's fragment usually does. A bundle records it with its options.

    Example:
        ```python
        from graft.plugins import DecoderSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_decoders():
            return [
                DecoderSpec(
                    name="fits",
                    summary="FITS images of the sky, in the units of the instrument.",
                    target="graft_sky.fits:FitsDecoder",
                    options="graft_sky.options:FitsOptions",
                    suffixes=(".fits", ".fit"),
                    requires={"astropy": "pip install astropy"},
                )
            ]
        ```
    """


@hookspec
def graft_outputs() -> Iterable[OutputSpec]:  # type: ignore[empty-body]
    """Offer forms of predictions: `graft VERB predict RUN PATHS --format NAME --out FOLDER`.

    One that is a row or a picture for each image belongs to the task. This is for forms that need the image's file,
    or its name, again: a map in a scene's own grid, a volume put together from slices.

    Example:
        ```python
        from graft.plugins import OutputSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_outputs():
            return [
                OutputSpec(
                    name="skymap",
                    summary="A FITS file of class numbers with the image's world coordinates.",
                    target="graft_sky.output:SkyMap",
                    tasks=("segmentation",),
                )
            ]
        ```
    """


@hookspec
def graft_augmentations() -> Iterable[AugmentationSpec]:  # type: ignore[empty-body]
    """Offer augmentation presets: how training images are varied.

    The target is called as `target(size=(height, width), options=…)` and gives a function of an image, its target
    and a seed. `tasks` is empty when the preset fits every task.

    Example:
        ```python
        from graft.plugins import AugmentationSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_augmentations():
            return [
                AugmentationSpec(
                    name="stain",
                    summary="Varies the colours of a stained slide.",
                    target="graft_stain.augment:stain",
                    options="graft_stain.options:StainOptions",
                    tasks=("classification",),
                )
            ]
        ```
    """


@hookspec
def graft_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Offer metrics of a task.

    A metric is one row per sample and a reduction over rows, so that intervals can resample the rows.

    Example:
        ```python
        from graft.plugins import MetricSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_metrics():
            return [
                MetricSpec(
                    name="kappa",
                    summary="Agreement beyond chance.",
                    target="graft_kappa.metric:Kappa",
                    tasks=("classification",),
                )
            ]
        ```
    """


@hookspec
def graft_strategies() -> Iterable[StrategySpec]:  # type: ignore[empty-body]
    """Offer strategy presets: named fragments of a recipe's `[strategy]` table.

    A preset is data, not code: it is shown by `graft strategies show NAME`, and the user's own keys refine it.

    Example:
        ```python
        from graft.plugins import StrategySpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_strategies():
            return [
                StrategySpec(
                    name="careful",
                    summary="Train everything, the backbone a hundred times slower than the head.",
                    recipe={"unfreeze": {"kind": "all"}, "pace": {"lr": 1e-5, "head": 100.0}},
                )
            ]
        ```
    """


@hookspec
def graft_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Offer commands: `typer.Typer` apps that stand beside core's own, as `graft NAME`.

    The app is imported when the command is used, not when it is listed. Make it with `add_completion=False`.

    Example:
        ```python
        from graft.plugins import CommandSpec, hookimpl

        HOOK_API = 1

        @hookimpl
        def graft_commands():
            return [
                CommandSpec(
                    name="tiles",
                    summary="Cut large scenes into tiles.",
                    target="graft_tiles.cli:app",
                )
            ]
        ```
    """
