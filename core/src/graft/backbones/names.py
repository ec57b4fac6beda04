"""Architecture names, checked against each source's text index. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from graft.errors import PluginError, did_you_mean
from graft.plugins.descriptors import BackboneSpec

if TYPE_CHECKING:
    from graft.plugins import Plugins

SEARCH_ORDER = ("graft", "timm", "torchvision")
"""Where an unqualified name is looked up first; other sources follow by name."""


@cache
def read_index(index: str) -> tuple[str, ...]:
    """Return the lines of the text resource `package:file`.

    Raises:
        PluginError: When it cannot be read.
    """
    package, _, name = index.partition(":")
    try:
        text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError, ValueError) as error:
        raise PluginError(f"the index of backbones '{index}' cannot be read: {error}") from error
    return tuple(line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#"))


def architectures(spec: BackboneSpec) -> Sequence[str]:
    """Return the architectures of a source, as its index lists them.

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
