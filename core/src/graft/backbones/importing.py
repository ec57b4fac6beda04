"""Takes a file of weights into the store, if it fits the architecture that it is said to be for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from graft.backbones import store
from graft.backbones.load import build_backbone
from graft.backbones.matching import LoadReport
from graft.backbones.names import find_architecture
from graft.errors import WeightsError
from graft.plugins import Plugins
from graft.recipe.schema import Backbone as Section
from graft.safeload import load_state_dict


def import_weights(
    file: Path,
    *,
    name: str,
    arch: str,
    plugins: Plugins,
    upto: str | None = None,
    licence: str | None = None,
    preprocess: Mapping[str, Any] | None = None,
) -> tuple[store.Stored, LoadReport | None]:
    """Add a file to the store as safetensors, every tensor as it is, and return what fits the backbone.

    Args:
        file: A `.safetensors` file, or a pickled state dict.
        name: What `backbone.weights` is to call it.
        arch: As in `backbone.kind`.
        plugins: Where architectures come from.
        upto: The last stage that the file holds, when it does not hold all.
        licence: Under which the weights were published.
        preprocess: Fields of `Preprocess` in which the weights differ from the architecture's default.

    Raises:
        PluginError: When no source has the architecture.
        WeightsError: When the file cannot be read or does not fit, or the name is taken or cannot be one.
    """
    store.free(name)
    spec, found = find_architecture(arch, plugins)
    section = Section(kind=f"{spec.name}:{found}", weights=str(file.absolute()), upto=upto)
    loaded = build_backbone(section, plugins=plugins)
    expected = replace(loaded.backbone.preprocess, **(preprocess or {}))
    if (expected.channels, len(expected.std)) != (loaded.backbone.preprocess.channels,) * 2:
        raise WeightsError(
            f"mean and std are for {expected.channels} and {len(expected.std)} channels, "
            f"the network takes {loaded.backbone.preprocess.channels}",
            fix="give one number for all channels, or one for each with commas between them: --mean 0.5,0.5,0.5",
        )
    state = {key: tensor.contiguous().clone() for key, tensor in load_state_dict(file).items()}
    stored = store.put(
        name,
        write=lambda path: save_file(state, path),
        architecture=section.kind,
        upto=upto,
        licence=licence,
        preprocess=expected,
        imported_from=file.name,
    )
    return stored, loaded.report
