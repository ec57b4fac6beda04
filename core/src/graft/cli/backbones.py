"""`graft backbones`: which pretrained networks there are, what they are made of, and bringing weights of your own."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import typer

from graft.backbones import store
from graft.backbones.licences import restriction
from graft.backbones.names import architectures, find_architecture, sources
from graft.cli import rank
from graft.cli.session import JsonFlag, emit, refine
from graft.cli.text import columns
from graft.errors import PluginError, Problem, UserError, did_you_mean
from graft.plugins import BackboneSpec, Plugins

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def group() -> None:
    """List pretrained networks, look into one, import weights of your own, rank them for your images."""


rank.register(app)


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Part of a name, or a pattern: 'resnet*'.", show_default=False)] = "*",
    source: Annotated[str | None, typer.Option(help="Only of this library.", show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the architectures that can be cut into stages, and the weights that you imported."""
    current = refine(json=as_json)
    chosen = _sources(current.plugins, source)
    wanted = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    found = {
        spec.name: [name for name in architectures(spec) if fnmatchcase(name, wanted)]
        for spec in sources(current.plugins)
        if spec.name in chosen
    }
    imported = [one for one in store.listed() if fnmatchcase(one.name, wanted) and source is None]
    if current.json:
        emit({"architectures": found, "imported": [one.to_json() for one in imported]})
        return
    if not imported and not any(found.values()):
        known = [name for spec in chosen.values() for name in architectures(spec)]
        hint = did_you_mean(pattern, known)
        raise PluginError(
            f"no backbone matches '{pattern}'" + (f": {hint}" if hint else ""), fix="graft backbones list"
        )
    seen: set[str] = set()
    for library, names in found.items():
        for name in names:
            print(f"{library}:{name}" if name in seen else name)
        seen.update(names)
    if imported:
        print(("\n" if seen else "") + "imported weights (backbone.weights)")
        print(
            columns(
                [(one.name, one.architecture, one.licence or "licence not recorded") for one in imported], indent="  "
            )
        )


@app.command()
def info(
    name: Annotated[
        str,
        typer.Argument(help="resnet50, timm:resnet50, timm:resnet50.a1_in1k, or imported weights.", show_default=False),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show one architecture: its stages, its embedding, and the weights that there are for it."""
    current = refine(json=as_json)
    about = describe(name, current.plugins)
    if current.json:
        emit(about)
        return
    print(about["architecture"])
    rows = [("STAGE", "CHANNELS", "REDUCTION", "PARAMETERS")]
    rows += [(s["name"], str(s["channels"]), str(s["reduction"]), f"{s['parameters']:,}") for s in about["stages"]]
    rows.append(("pooled", str(about["embedding"]), "", f"{about['pooled_parameters']:,}"))
    print(columns(rows, indent="  "))
    print("\nweights")
    lines = [
        (
            one["name"],
            one["licence"] or "licence not recorded",
            "here" if one["cached"] else "to be downloaded",
            one["origin"],
        )
        for one in about["weights"]
    ]
    print(columns(lines, indent="  ") if lines else '  none: backbone.weights = "none", or import a file')
    for remark in dict.fromkeys(
        f"{one['licence']}: {one['mind']}" for one in about["weights"] if one["licence"] and one["mind"]
    ):
        current.console.warn(remark)


def describe(name: str, plugins: Plugins) -> dict[str, Any]:
    """Return what is known of an architecture, or of the one that imported weights are for, as plain values for JSON.

    Raises:
        PluginError: When there is none of this name.
        WeightsError: When it cannot be cut into stages.
    """
    from graft.backbones.hub import cached

    try:
        spec, arch = find_architecture(name, plugins)
    except PluginError:
        imported = {one.name: one.architecture for one in store.listed()}
        if name not in imported:
            raise
        spec, arch = find_architecture(imported[name], plugins)
    source = plugins.target(spec)()
    backbone = source.build(arch)
    full = f"{spec.name}:{arch}"
    known = [source.pretrained(tagged) for tagged in source.tagged(arch)]
    weights = [
        {
            "name": one.name,
            "licence": one.licence,
            "mind": restriction(one.licence),
            "origin": one.origin,
            "cached": cached(one.origin),
            "preprocess": one.preprocess.to_json(),
        }
        for one in known
        if one is not None
    ]
    weights += [
        {
            "name": one.name,
            "licence": one.licence,
            "mind": restriction(one.licence),
            "origin": f"imported from {one.imported_from}",
            "cached": True,
            "preprocess": one.preprocess.to_json(),
        }
        for one in store.listed()
        if one.architecture == full
    ]
    return {
        "architecture": full,
        "stages": [
            {
                "name": stage.name,
                "channels": stage.channels,
                "reduction": stage.reduction,
                "parameters": sum(p.numel() for p in module.parameters()),
            }
            for stage, module in zip(backbone.info.stages, backbone.stages, strict=True)
        ],
        "embedding": backbone.info.embed_dim,
        "pooled_parameters": sum(p.numel() for p in backbone.tail.parameters()),
        "preprocess": backbone.preprocess.to_json(),
        "weights": weights,
    }


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .safetensors file, or a .pth of plain tensors.", show_default=False)],
    name: Annotated[str, typer.Option(help="What backbone.weights is to call them.", show_default=False)],
    arch: Annotated[str, typer.Option(help="As in backbone.kind: timm:resnet50.", show_default=False)],
    mean: Annotated[str | None, typer.Option(help="One number, or one for each channel: 0.5,0.5,0.5.")] = None,
    std: Annotated[str | None, typer.Option(help="One number, or one for each channel.")] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Side of the square input in pixels.")] = None,
    crop: Annotated[float | None, typer.Option(min=0.01, max=1.0, help="Share that the centre crop keeps.")] = None,
    channel_order: Annotated[str | None, typer.Option(help="rgb or bgr.")] = None,
    licence: Annotated[str | None, typer.Option(help="Under which the weights were published.")] = None,
    upto: Annotated[str | None, typer.Option(help="The last stage in the file, if later ones are not in it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a file of weights into the store, with the preprocessing that it was trained with."""
    current = refine(json=as_json)
    changes = _preprocess(mean=mean, std=std, size=size, crop=crop, channel_order=channel_order)
    from graft.backbones.importing import import_weights

    stored, report = import_weights(
        file, name=name, arch=arch, plugins=current.plugins, upto=upto, licence=licence, preprocess=changes
    )
    if current.json:
        emit({**stored.to_json(), "path": stored.path, "report": str(report)})
        return
    current.console.say("Weights", f"{name} for {stored.architecture}: {report}")
    normalised = stored.preprocess
    current.console.say(
        "Input", f"{normalised.channel_order}, mean {normalised.mean}, std {normalised.std}, {normalised.size}"
    )
    use = f"backbone.kind={stored.architecture} backbone.weights={name}" + (f" backbone.upto={upto}" if upto else "")
    current.console.say("Use", use)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="As in `graft backbones list`.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Delete weights that you imported."""
    current = refine(json=as_json)
    store.remove(name)
    if current.json:
        emit({"removed": name})
        return
    current.console.say("Removed", name)


def _sources(plugins: Plugins, only: str | None) -> Mapping[str, BackboneSpec]:
    if only is not None:
        return {(spec := plugins.find(BackboneSpec, only)).name: spec}
    return {spec.name: spec for spec in sources(plugins)}


def _preprocess(
    *, mean: str | None, std: str | None, size: int | None, crop: float | None, channel_order: str | None
) -> dict[str, Any]:
    """Return the fields of `Preprocess` that were given; all mistakes at once."""
    problems = []
    changes: dict[str, Any] = {}
    for option, text in (("mean", mean), ("std", std)):
        if text is None:
            continue
        try:
            numbers = tuple(float(part) for part in text.split(","))
        except ValueError:
            problems.append(Problem(f"--{option}", f"'{text}' is not one number, nor numbers with commas between them"))
            continue
        if option == "std" and min(numbers) <= 0:
            problems.append(Problem("--std", f"'{text}' is not above zero"))
        changes[option] = numbers * 3 if len(numbers) == 1 else numbers
    if channel_order not in (None, "rgb", "bgr"):
        problems.append(Problem("--channel-order", f"'{channel_order}' is neither rgb nor bgr"))
    if problems:
        raise UserError("the weights cannot be imported as described", problems=problems)
    if channel_order is not None:
        changes["channel_order"] = channel_order
    if size is not None:
        changes["size"] = (size, size)
    if crop is not None:
        changes["crop"] = crop
    return changes
