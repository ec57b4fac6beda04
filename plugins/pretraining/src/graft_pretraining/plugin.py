"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import AugmentationSpec, DecoderSpec, HeadSpec, MetricSpec, ReaderSpec, TaskSpec, hookimpl

HOOK_API = 1

TASK = "pretraining"


@hookimpl
def graft_tasks() -> Iterable[TaskSpec]:
    """Return the task."""
    return [
        TaskSpec(
            name=TASK,
            summary="What images look like, learnt without labels: weights that other tasks start from.",
            target="graft_pretraining.task:PretrainingTask",
            verb="pretrain",
            takes="images",
            head="simclr",
            augment="views",
            metrics=("rankme",),
            monitor="rankme",
            sample="graft_pretraining.sample:write_images",
            recipe={
                # Everything learns at one rate: there is nothing yet that a head at random could spoil.
                "strategy": {"pace": {"lr": 2e-3, "head": 1.0}},
                # Each image is told from the others of its batch: of few there is little to learn. A rank says when
                # learning has failed, not when it has gone furthest: the last epoch's weights are left.
                "train": {"batch": 96, "keep": "last"},
                # Resampling repeats rows, which lowers a rank: the interval would lie below the value.
                "evaluation": {"bootstrap": 0},
            },
            then="graft classify train LABELLED backbone.kind={kind} backbone.weights={run}/bundle/model.safetensors",
        )
    ]


@hookimpl
def graft_heads() -> Iterable[HeadSpec]:
    """Return the heads."""
    return [
        HeadSpec(
            name="simclr",
            summary="Contrastive: finds an image's other view among all views of the batch.",
            target="graft_pretraining.heads:SimclrHead",
            options="graft_pretraining.options:SimclrOptions",
            tasks=(TASK,),
            needs="embedding",
            sequences=True,
        ),
        HeadSpec(
            name="vicreg",
            summary="Two views agree, while entries vary over the batch and do not say the same.",
            target="graft_pretraining.heads:VicregHead",
            options="graft_pretraining.options:VicregOptions",
            tasks=(TASK,),
            needs="embedding",
            sequences=True,
        ),
    ]


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Return the reader."""
    return [
        ReaderSpec(
            name="images",
            summary="All images below a folder, whatever it is called, or those in one file; no labels.",
            target="graft_pretraining.reader:ImagesReader",
            gives="images",
        )
    ]


@hookimpl
def graft_decoders() -> Iterable[DecoderSpec]:
    """Return the decoder."""
    return [
        DecoderSpec(
            name="generated",
            summary="Draws the images that a small TOML file describes (kind, count, size, seed); and usual files.",
            target="graft_pretraining.decoder:GeneratedDecoder",
            suffixes=(".toml",),
        )
    ]


@hookimpl
def graft_augmentations() -> Iterable[AugmentationSpec]:
    """Return the augmentation."""
    return [
        AugmentationSpec(
            name="views",
            summary="Two views of an image that differ: crops, mirror images, small turns, colours, some in grey.",
            target="graft_pretraining.augment:views",
            options="graft_pretraining.options:ViewOptions",
            tasks=(TASK,),
        )
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Return the metric."""
    return [
        MetricSpec(
            name="rankme",
            summary="The effective rank of the embeddings: 1 when all are alike, at most their length.",
            target="graft_pretraining.metrics:RankMe",
            tasks=(TASK,),
        )
    ]
