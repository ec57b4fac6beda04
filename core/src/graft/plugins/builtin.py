"""What core itself offers, by the same hooks as everybody: the plugin `core`, which is always on."""

from __future__ import annotations

from graft.plugins.descriptors import AugmentationSpec, BackboneSpec, CommandSpec, DecoderSpec, ReaderSpec, StrategySpec
from graft.plugins.hookspecs import hookimpl

HOOK_API = 1


@hookimpl
def graft_readers() -> list[ReaderSpec]:
    """Offer the formats of labelled images that every task can build on."""
    return [
        ReaderSpec(
            name="folder",
            summary="A folder per class, or train, val and test folders with a folder per class in each.",
            target="graft.data.readers.folder:FolderReader",
            options="graft.data.options:FolderOptions",
            gives="labels",
        ),
        ReaderSpec(
            name="csv",
            summary="A table with the columns path and label, and perhaps split and group.",
            target="graft.data.readers.labels:CsvReader",
            options="graft.data.options:CsvOptions",
            gives="labels",
        ),
        ReaderSpec(
            name="sequences",
            summary="Image sequences: class/sequence/*.png, or a table with the columns sequence, frame and label.",
            target="graft.data.readers.sequences:SequenceReader",
            options="graft.data.options:SequenceOptions",
            gives="labels",
        ),
    ]


@hookimpl
def graft_decoders() -> list[DecoderSpec]:
    """Offer the decoder of usual image files."""
    return [
        DecoderSpec(
            name="standard",
            summary="JPEG, PNG, TIFF, WebP, BMP, GIF and PPM: RGB or grey, 8 or 16 bits.",
            target="graft.data.decoder:StandardDecoder",
        )
    ]


@hookimpl
def graft_backbones() -> list[BackboneSpec]:
    """Offer the libraries of architectures; where two have the same name, the first one is meant."""
    return [
        BackboneSpec(
            name="graft",
            summary="The small backbone that is part of Graft, with its weights.",
            target="graft.backbones.embedded:EmbeddedSource",
            index="graft.backbones:graft.txt",
        ),
        BackboneSpec(
            name="timm",
            summary="PyTorch Image Models.",
            target="graft.backbones.timm_source:TimmSource",
            index="graft.backbones:timm.txt",
        ),
        BackboneSpec(
            name="torchvision",
            summary="torchvision's classification models.",
            target="graft.backbones.torchvision_source:TorchvisionSource",
            index="graft.backbones:torchvision.txt",
        ),
    ]


@hookimpl
def graft_augmentations() -> list[AugmentationSpec]:
    """Offer presets that fit every task."""
    summaries = {
        "none": "Nothing is varied.",
        "flip": "Crops and mirror images.",
        "basic": "Crops, mirror images, small turns and changes of light.",
        "strong": "As basic, stronger, and with rotations and erased patches.",
    }
    return [
        AugmentationSpec(
            name=name,
            summary=summary,
            target=f"graft.data.augment:{name}",
            options="graft.data.options:AugmentOptions",
        )
        for name, summary in summaries.items()
    ]


@hookimpl
def graft_strategies() -> list[StrategySpec]:
    """Offer the ways to adapt a network that the literature knows, from the most careful to the freest."""
    return [
        StrategySpec(
            name="fixed",
            summary="The pretrained network stays as it is; the new head alone learns. Fast, and safe with few images.",
            recipe={"unfreeze": {"kind": "none"}},
        ),
        StrategySpec(
            name="partial",
            summary="The last stage and the head learn; the stages before, which see edges and textures, stay.",
            recipe={"unfreeze": {"kind": "from", "stage": -1}},
        ),
        StrategySpec(
            name="surgical",
            summary="The first stages and the head learn: for images of the same things from another sensor.",
            recipe={"unfreeze": {"kind": "surgical", "stages": ["stem", "stage1"]}},
        ),
        StrategySpec(
            name="lp-ft",
            summary="The head learns alone at first, then everything: a head at random does not spoil the rest.",
            recipe={"unfreeze": {"kind": "head-then-all", "head": 0.3}},
        ),
        StrategySpec(
            name="gradual",
            summary="The head learns first, then each epoch one more stage, from the last to the first.",
            recipe={"unfreeze": {"kind": "gradual", "every": 1}, "pace": {"layer_decay": 0.4}},
        ),
        StrategySpec(
            name="discriminative",
            summary="Everything learns, each stage more slowly than the one behind it.",
            recipe={"unfreeze": {"kind": "all"}, "pace": {"layer_decay": 0.4}},
        ),
        StrategySpec(
            name="full",
            summary="Everything learns, from the first step.",
            recipe={"unfreeze": {"kind": "all"}},
        ),
        StrategySpec(
            name="auto",
            summary="Graft chooses, by the number of images, their kind and the time, and says why.",
            recipe={"unfreeze": {"kind": "auto"}},
        ),
    ]


@hookimpl
def graft_commands() -> list[CommandSpec]:
    """Offer the commands beside the tasks' verbs."""
    summaries = {
        "try": "Take a first look at labelled images: what is wrong, and how far features get.",
        "demo": "Show the whole way on generated images, in a minute.",
        "doctor": "Check this installation, and say how to mend it.",
        "plugins": "List plugins and what each of them offers.",
        "backbones": "List architectures, rank them for your images; import weights.",
        "data": "Generate labelled sample images; convert data sets.",
        "features": "Write what a pretrained network sees in images as numbers to a file.",
        "cache": "List what is kept of features, and delete it.",
        "recipe": "Show, check and describe recipes.",
        "strategies": "List the strategy presets and what they set.",
        "resume": "Continue a run that was interrupted.",
        "report": "Write a run's report again.",
    }
    modules = {"try": "tryout"}  # which Python would not import under its own name
    return [
        CommandSpec(name=name, summary=summary, target=f"graft.cli.{modules.get(name, name)}:app")
        for name, summary in summaries.items()
    ]
