"""Architecture names and the resolutions of their stages, as each source's text index lists them. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from graft.errors import PluginError, did_you_mean
from graft.plugins.descriptors import BackboneSpec

if TYPE_CHECKING:
    from graft.plugins import Plugins

SEARCH_ORDER = ("graft", "timm", "torchvision")
"""Where an unqualified name is looked up first; other sources follow by name."""


Reductions = tuple[int, ...]
"""Of each stage, stem first: input pixels per output pixel. Empty where they are not known."""


@cache
def read_index(index: str) -> Mapping[str, Reductions]:
    """Return the architectures that the text resource `package:file` lists, in its order, with their reductions.

    A line is a name, and perhaps a tab and the reductions: `resnet50<TAB>2 4 8 16 32`.

    Raises:
        PluginError: When it cannot be read.
    """
    package, _, name = index.partition(":")
    try:
        text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
        lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
        parts = [line.partition("\t") for line in lines]
        return {name.strip(): tuple(map(int, numbers.split())) for name, _, numbers in parts}
    except (OSError, ModuleNotFoundError, TypeError, ValueError) as error:  # TypeError: of what is no package
        raise PluginError(f"the index of backbones '{index}' cannot be read: {error}") from error


def stage_names(count: int) -> list[str]:
    """Return what a backbone's stages are called, from input to output: `stem`, `stage1` and so on."""
    return [f"stage{number}" if number else "stem" for number in range(count)]


def reductions_of(spec: BackboneSpec, arch: str) -> Reductions:
    """Return the reductions of an architecture's stages, as far as its source's index lists them.

    A name in full goes beyond the index, and so it may where that cannot be read.
    """
    try:
        listed = architectures(spec)
    except PluginError:
        return ()
    return listed.get(arch) or listed.get(arch.partition(".")[0], ())


def architectures(spec: BackboneSpec) -> Mapping[str, Reductions]:
    """Return the architectures of a source, as its index lists them, with their reductions.

    Raises:
        PluginError: When it has no readable index.
    """
    return read_index(spec.index)


def sources(plugins: Plugins) -> list[BackboneSpec]:
    """Return the sources of backbones in the order in which unqualified names are looked up."""
    specs = plugins.specs(BackboneSpec)
    first = [name for name in SEARCH_ORDER if name in specs]
    return [specs[name] for name in (*first, *sorted(set(specs) - set(first)))]


def find_architecture(kind: str, plugins: Plugins) -> tuple[BackboneSpec, str]:
    """Return the source of `kind` and the architecture's name there.

    `resnet50` is the first source's that lists it; `torchvision:resnet50` is that source's. An architecture may carry
    a tag that chooses among its pretrained weights: `resnet50.a1_in1k`. A qualified name may go beyond the index:
    whether it can be cut into stages is then checked when it is built.

    Raises:
        PluginError: When no source lists it, with the closest name that one does.
    """
    qualifier, colon, arch = kind.rpartition(":")
    if colon:
        return plugins.find(BackboneSpec, qualifier), arch
    known = sources(plugins)
    for spec in known:
        listed = architectures(spec)
        if arch in listed or arch.partition(".")[0] in listed:
            return spec, arch
    names = [name for spec in known for name in architectures(spec)]
    hint = did_you_mean(arch, names)
    raise PluginError(
        f"no backbone '{kind}'" + (f": {hint}" if hint else ""),
        fix="graft backbones list lists them; a name in full, as in timm:resnet50, may go beyond that list",
    )
