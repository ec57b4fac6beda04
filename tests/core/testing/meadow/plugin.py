"""What this plugin contributes."""

from graft.plugins import (
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
    hookimpl,
)

HOOK_API = 1


@hookimpl
def graft_tasks():
    return [
        TaskSpec(
            name="ripeness",
            summary="How ripe the berries are.",
            target="meadow.task:RipenessTask",
            options="meadow.options:TaskOptions",
            verb="ripen",
            takes="ripeness",
            head="pooled",
            augment="mown",
            metrics=("hit_rate",),
            monitor="hit_rate",
            sample="meadow.sample:write_berries",
            files={"txt": "the word"},
        )
    ]


@hookimpl
def graft_heads():
    return [
        HeadSpec(
            name="pooled",
            summary="Means of the last two maps.",
            target="meadow.head:PooledHead",
            options="meadow.options:HeadOptions",
            tasks=("ripeness",),
            needs="pyramid",
            fits="meadow.needs:two_stages",
        )
    ]


@hookimpl
def graft_metrics():
    return [MetricSpec(name="hit_rate", summary="Hits.", target="meadow.metric:HitRate", tasks=("ripeness",))]


@hookimpl
def graft_readers():
    return [
        ReaderSpec(
            name="jsonl",
            summary="One JSON object per line.",
            target="meadow.reader:JsonlReader",
            options="meadow.options:ReaderOptions",
            gives="ripeness",
        )
    ]


@hookimpl
def graft_augmentations():
    return [AugmentationSpec(name="mown", summary="Mirrors.", target="meadow.augment:Mown")]


@hookimpl
def graft_decoders():
    return [DecoderSpec(name="film", summary="Films in .npy.", target="meadow.decoder:FilmDecoder", suffixes=(".npy",))]


@hookimpl
def graft_domains():
    return [
        DomainSpec(
            name="meadow",
            summary="Pictures of meadows.",
            target="meadow.domain:Meadow",
            recipe={"augment": "mown", "train": {"epochs": 7}},
            recipes={"ripeness": {"task": {"threshold": 0.4}}},
            samples={"ripeness": "meadow.sample:write_berries"},
            demos={"ripeness": {"train.epochs": 2}},
        )
    ]


@hookimpl
def graft_strategies():
    return [
        StrategySpec(
            name="gentle",
            summary="The last stage and the head.",
            recipe={"unfreeze": {"kind": "from", "stage": -1}, "pace": {"lr": 1e-3}},
        )
    ]


@hookimpl
def graft_backbones():
    return [BackboneSpec(name="meadow", summary="Three.", target="meadow.source:Source", index="meadow:index.txt")]


@hookimpl
def graft_writers():
    return [WriterSpec(name="lines", summary="Lines of JSON.", target="meadow.writer:JsonlWriter", takes="ripeness")]


@hookimpl
def graft_outputs():
    return [OutputSpec(name="word", summary="The word alone.", target="meadow.output:Words", tasks=("ripeness",))]


@hookimpl
def graft_commands():
    return [CommandSpec(name="berries", summary="Count berries.", target="meadow.cli:app")]
