"""`graft features`: what a pretrained network sees in images, as numbers in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.cli.versions import installed_version
from graft.console import Console
from graft.errors import DataError, Problem, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graft.backbones.load import LoadedBackbone
    from graft.data.samples import Sample
    from graft.features.extract import Extracted, Extractor
    from graft.features.reduction import Components

    Features = Mapping[str, NDArray[np.float32]]

app = typer.Typer(add_completion=False, no_args_is_help=True)

_LIBRARIES = ("graft-core", "torch", "torchvision", "timm", "numpy", "pillow")


class Pooling(StrEnum):
    """How a feature map becomes a vector."""

    gap = "gap"
    gem = "gem"
    max = "max"
    none = "none"


class OnBad(StrEnum):
    """What to do with images that cannot be read."""

    stop = "stop"
    skip = "skip"


@app.callback()
def group() -> None:
    """Calculate features of images with a pretrained network."""


@app.command()
def extract(
    data: Annotated[
        Path, typer.Argument(help="Labelled images in any format that train takes, or a folder of images.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .npz or .parquet file.", show_default=False)],
    backbone: Annotated[str, typer.Option(help="As in backbone.kind: resnet50, timm:resnet50.")] = "graft:tiny",
    weights: Annotated[str, typer.Option(help="As in backbone.weights.")] = "pretrained",
    upto: Annotated[str | None, typer.Option(help="As in backbone.upto.", show_default=False)] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="stage1 … or embedding; several times for several scales. [default: embedding]"),
    ] = None,
    pool: Annotated[Pooling, typer.Option(help="How a stage's maps become a vector; none keeps them.")] = Pooling.gap,
    pca: Annotated[
        int | None, typer.Option(min=1, help="Keep so many principal components of each stage.", show_default=False)
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of the input; by default the weights' own.", show_default=False)
    ] = None,
    reader: Annotated[str | None, typer.Option(help="The data's format; by default detected.")] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            help="A run that was trained on such files: they are read as it reads them, into as many channels. "
            "Its network is not used.",
            show_default=False,
        ),
    ] = None,
    on_bad: Annotated[OnBad, typer.Option(help="What to do with images that cannot be read.")] = OnBad.stop,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write the features of all images of DATA, with ids, labels and split, to a file.

    Example: graft features extract photos/ --out photos.npz --backbone resnet50 --stage stage2 --stage stage4 --pca 64
    """
    session = refine(json=as_json, quiet=quiet)
    console = session.console
    _check(out, pool, pca)
    from graft.backbones.load import build_backbone
    from graft.data.decoder import STANDARD
    from graft.features.extract import EMBEDDING, Extractor
    from graft.features.files import FeatureTable, write
    from graft.features.listing import listed
    from graft.recipe.schema import Backbone
    from graft.runs.bundle import read_like

    decoder, channels = (STANDARD, 3) if like is None else read_like(like, plugins=session.plugins)
    catalogue = listed(data, reader=reader, decoder=decoder, plugins=session.plugins)
    classes = f" in {len(catalogue.classes)} classes" if catalogue.classes else ""
    console.say("Data", f"{len(catalogue.samples)} images{classes}, {catalogue.root}")
    for note in catalogue.notes:
        console.say("Data", note)
    section = Backbone(kind=backbone, weights=weights, upto=upto, size=size, channels=channels)
    loaded = build_backbone(section, plugins=session.plugins)
    extractor = Extractor(loaded, stages=stage or [EMBEDDING], pool=pool.value, device=device, decoder=decoder)
    console.say("Backbone", _named(loaded))
    found = extractor.readable([sample.path for sample in catalogue.samples], console=console)
    bad = _bad(catalogue.samples, found, on_bad, console)
    samples = [sample for index, sample in enumerate(catalogue.samples) if index not in found.bad]
    features: Features = found.features
    components: dict[str, Components] = {}
    if pca is not None:
        features, components = _reduced(features, [sample.split == "train" for sample in samples], pca, console)
    table = FeatureTable(
        ids=[sample.id for sample in samples],
        labels=[";".join(sample.target) for sample in samples],
        split=[sample.split or "" for sample in samples],
        classes=catalogue.classes,
        features=features,
        about=_about(extractor, loaded, pca),
        more={
            f"pca.{name}.{part}": getattr(fitted, part)
            for name, fitted in components.items()
            for part in ("mean", "components", "explained")
        },
    )
    write(out, table)
    shapes = ", ".join(f"{name} {' × '.join(map(str, rows.shape))}" for name, rows in features.items())
    console.say("Done", f"{out}: {shapes}")
    if session.json:
        emit(
            {
                "file": out,
                "images": len(samples),
                "bad": bad,
                "classes": catalogue.classes,
                "splits": Counter(table.split),
                "features": {name: rows.shape for name, rows in features.items()},
                "explained": {name: float(fitted.explained.sum()) for name, fitted in components.items()},
                "about": table.about,
                "warnings": console.warnings,
            }
        )


def _check(out: Path, pool: Pooling, pca: int | None) -> None:
    """Raise with all that is wrong with what was typed, before anything heavy is loaded."""
    from graft.features.files import SUFFIXES, require_parquet

    problems = []
    if out.suffix not in SUFFIXES:
        problems.append(Problem(f"--out {out}", "ends in neither .npz nor .parquet"))
    if not out.parent.is_dir():
        problems.append(Problem(f"--out {out}", f"the folder {out.parent} does not exist"))
    elif out.is_dir():
        problems.append(Problem(f"--out {out}", "is a folder"))
    if pool is Pooling.none and pca is not None:
        problems.append(Problem("--pca", "takes vectors, and --pool none keeps maps"))
    if pool is Pooling.none and out.suffix == ".parquet":
        problems.append(Problem("--pool none", "keeps maps, and a column of Parquet holds vectors", "write an .npz"))
    if problems:
        raise UserError("features cannot be written like that", problems=problems)
    if out.suffix == ".parquet":
        require_parquet()


def _bad(samples: Sequence[Sample], found: Extracted, on_bad: OnBad, console: Console) -> list[dict[str, str]]:
    """Return the images that are left out, with reasons.

    Raises:
        DataError: When they are to stop, or none is left.
    """
    from graft.features.listing import LIKE

    bad = [(samples[index], error) for index, error in found.bad.items()]
    every = len(bad) == len(samples)
    if bad and (on_bad is OnBad.stop or every):
        raise DataError(
            f"{len(bad)} of {len(samples)} images cannot be read",
            problems=[
                Problem(f"{sample.where}: {sample.id}" if sample.where else sample.id, str(error))
                for sample, error in bad
            ],
            fix="repair or remove the files" + (f"; {LIKE}" if every else ", or leave them out: --on-bad skip"),
        )
    if bad:
        codes = ", ".join(f"{n} {code}" for code, n in sorted(Counter(error.code for _, error in bad).items()))
        console.warn(f"left out {len(bad)} of {len(samples)} images that cannot be read ({codes})")
    return [{"id": sample.id, "code": error.code, "reason": error.reason} for sample, error in bad]


def _reduced(
    features: Features, trains: Sequence[bool], k: int, console: Console
) -> tuple[Features, dict[str, Components]]:
    """Return features along principal components, which are fitted on the training part where the data has one.

    Raises:
        UserError: When a stage, or the number of images, has fewer than `k` dimensions.
    """
    import numpy as np

    from graft.features.reduction import fit

    chosen = np.array(trains) if any(trains) else np.ones(len(trains), bool)
    whose = "the training images" if any(trains) else "all images"
    most = {name: min(int(chosen.sum()), rows.shape[1]) for name, rows in features.items()}
    problems = [
        Problem(name, f"{features[name].shape[1]} values of {chosen.sum()} images have at most {n} components")
        for name, n in most.items()
        if n < k
    ]
    if problems:
        raise UserError(f"--pca {k} is too many", problems=problems, fix=f"--pca {min(most.values())}")
    fitted = {name: fit(rows[chosen], k) for name, rows in features.items()}
    for name, components in fitted.items():
        share = 100 * components.explained.sum()
        console.say("PCA", f"{k} components of {name}, fitted on {whose}, hold {share:.1f} % of the variance")
    return {name: fitted[name](rows) for name, rows in features.items()}, fitted


def _named(loaded: LoadedBackbone) -> str:
    name = f"{loaded.source}:{loaded.arch}"
    if loaded.weights is None:
        return f"{name} with random weights"
    return f"{name}, weights {loaded.weights.name} ({loaded.weights.licence or 'licence not recorded'})"


def _about(extractor: Extractor, loaded: LoadedBackbone, pca: int | None) -> dict[str, Any]:
    """Return what has to be known to calculate the same features again, in plain values."""
    weights = loaded.weights
    return {
        "backbone": f"{loaded.source}:{loaded.arch}",
        "weights": weights and {"name": weights.name, "origin": weights.origin, "licence": weights.licence},
        "stages": list(extractor.stages),
        "pool": extractor.pool,
        "pca": pca,
        "decoder": extractor.decoder.identity,
        "preprocess": loaded.backbone.preprocess.to_json(),
        "versions": {name: installed_version(name) for name in _LIBRARIES},
    }
