"""The bundle: a model that can be carried away, `model.safetensors` and `bundle.json`. No pickle.

It needs neither the training data nor the run: the plugins that its names belong to are enough.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ValidationError
from safetensors.torch import save
from torch import Tensor

from graft.atomic import replace_folder, temporary_beside
from graft.data.decoder import Decoder, build_decoder
from graft.errors import PluginError, Problem, RunError, TrainingError, WeightsError
from graft.model import Model
from graft.plugins.descriptors import DecoderSpec, Descriptor, HeadSpec, TaskSpec
from graft.preprocess import Preprocess
from graft.recipe.schema import Backbone as BackboneSection
from graft.runs.info import DOCUMENT, FORMAT, TENSORS, digest, find_bundle, read_info
from graft.tasks.contract import Task

if TYPE_CHECKING:
    from graft.backbones.contract import WeightsInfo
    from graft.plugins import Plugins
    from graft.recipe import ResolvedRecipe


_STANDARD = {"plugin": "core", "name": "standard", "options": {}}
"""The decoder of bundles from before there were others."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model, ready to predict.

    Args:
        path: The bundle folder.
        model: On the CPU, in eval mode.
        task: Names classes and turns predictions into rows.
        classes: Class names by index.
        preprocess: What the model expects of an image.
        decoder: Turns files into pixels as in training.
        info: The whole of `bundle.json`.
    """

    path: Path
    model: Model
    task: Task
    classes: tuple[str, ...]
    preprocess: Preprocess
    decoder: Decoder
    info: Mapping[str, Any]

    @property
    def sequences(self) -> bool:
        """Whether it was trained on sequences of images, rather than on images."""
        return self.info.get("sequences") is not None

    @property
    def max_frames(self) -> int | None:
        """How many frames of a sequence it looks at; None for all."""
        return None if self.info.get("sequences") is None else self.info["sequences"]["max_frames"]

    @property
    def task_name(self) -> str:
        """The task's name, as recipes and plugins write it."""
        return str(self.info["task"]["name"])


def save_bundle(
    folder: Path,
    *,
    model: Model,
    resolved: ResolvedRecipe,
    classes: Sequence[str],
    weights: WeightsInfo | None,
    plugins: Plugins,
    numbers: Mapping[str, int] | None = None,
    sequences: Mapping[str, Any] | None = None,
) -> None:
    """Write `model` as the bundle `folder`, replacing one that is there only when the new one is complete.

    Args:
        folder: Its parent must exist.
        model: Its weights are taken as they are, from whatever device.
        resolved: Names the task, the backbone and the head, with their options.
        classes: Class names by index.
        weights: What is known of the pretrained weights that training started from, None when from scratch.
        plugins: Who owns the names.
        numbers: What the data calls classes by a number, where it does that.
        sequences: Where it was trained on sequences of images, how they were looked at: `max_frames`, a number or None.

    Raises:
        TrainingError: When it cannot be written; an old bundle is then intact.
    """
    # Two names of one tensor are written as two tensors: the file has one layout whatever the model shares.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    tensors = save(state, metadata={"format": "pt"})
    section = resolved.recipe.backbone
    parts = (resolved.task, resolved.head, resolved.backbone, resolved.decoder)
    document: dict[str, Any] = {
        "format": FORMAT,
        "graft": version("graft-core"),
        "task": _part(resolved.task, resolved.task_options, plugins),
        "classes": list(classes),
        "numbers": dict(numbers or {}),
        "backbone": {
            "plugin": plugins.owner(resolved.backbone).name,
            "source": resolved.backbone.name,
            "arch": resolved.arch,
            "upto": section.upto,
            "channels": section.channels,
        },
        "head": _part(resolved.head, resolved.head_options, plugins),
        "decoder": _part(resolved.decoder, resolved.decoder_options, plugins),
        "preprocess": model.backbone.preprocess.to_json(),
        "sequences": None if sequences is None else dict(sequences),
        "weights": None if weights is None else _weights(weights),
        "plugins": {
            owner.name: {"version": owner.version, "distribution": owner.distribution, "licence": owner.licence}
            for owner in map(plugins.owner, parts)
        },
        "digests": {TENSORS: hashlib.sha256(tensors).hexdigest()},
    }
    document["digests"][DOCUMENT] = digest(document)
    temporary = temporary_beside(folder)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        (temporary / TENSORS).write_bytes(tensors)
        (temporary / DOCUMENT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        replace_folder(temporary, folder)
    except OSError as error:
        raise TrainingError(f"{folder}: the bundle cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_bundle(path: Path, *, plugins: Plugins) -> Bundle:
    """Return the bundle in `path`, a bundle folder or a run folder that holds one.

    Raises:
        RunError: When it is missing, damaged or made by a newer Graft.
        PluginError: When it needs a plugin that is not there; says what to install.
    """
    folder = find_bundle(path)
    info = read_info(folder)
    _check_plugins(folder, info, plugins)
    state = _read_tensors(folder, info)
    task_spec, task_options = _found(TaskSpec, info["task"], plugins, folder)
    head_spec, head_options = _found(HeadSpec, info["head"], plugins, folder)
    decoder = _decoder(folder, info, plugins)
    classes = tuple(info["classes"])
    task = plugins.target(task_spec)(classes=classes, options=task_options)
    task.numbers = info.get("numbers", {})
    preprocess = Preprocess.from_json(info["preprocess"])

    from graft.backbones.load import build_backbone

    # The random weights that a network is born with are all replaced; the caller's random state is not spent on them.
    with torch.random.fork_rng(devices=[]):
        backbone = build_backbone(_section(info["backbone"]), plugins=plugins).backbone
        backbone.preprocess = preprocess
        head = plugins.target(head_spec)(info=backbone.info, classes=classes, options=head_options, task=task)
    head.make_room({name[5:]: tensor for name, tensor in state.items() if name.startswith("head.")})
    model = Model(backbone, head, head_spec.needs, sequences=head_spec.sequences)
    _check_tensors(folder, model.state_dict(), state)
    model.load_state_dict(state, strict=True)
    return Bundle(
        path=folder,
        model=model.eval(),
        task=task,
        classes=classes,
        preprocess=preprocess,
        decoder=decoder,
        info=info,
    )


def read_like(path: Path, *, plugins: Plugins) -> tuple[Decoder, int]:
    """Return what the bundle in `path` reads images with, and as how many channels; nothing else of it is built.

    Raises:
        RunError: When it is missing, damaged or made by a newer Graft.
        PluginError: When it needs a plugin that is not there; says what to install.
    """
    folder = find_bundle(path)
    info = read_info(folder)
    _check_plugins(folder, info, plugins)
    return _decoder(folder, info, plugins), info["backbone"]["channels"]


def _decoder(folder: Path, info: Mapping[str, Any], plugins: Plugins) -> Decoder:
    spec, options = _found(DecoderSpec, info.get("decoder", _STANDARD), plugins, folder)
    return build_decoder(spec, options, plugins=plugins)


def _part(spec: Descriptor, options: BaseModel, plugins: Plugins) -> dict[str, Any]:
    return {"plugin": plugins.owner(spec).name, "name": spec.name, "options": options.model_dump(mode="json")}


def _weights(weights: WeightsInfo) -> dict[str, Any]:
    return {"name": weights.name, "origin": weights.origin, "licence": weights.licence}


def _check_plugins(folder: Path, info: Mapping[str, Any], plugins: Plugins) -> None:
    there = {plugin.name for plugin in plugins.loaded}
    broken = {plugin.name: plugin.cause for plugin in plugins.broken}
    off = {plugin.name for plugin in plugins.off}
    problems, installs = [], []
    for name, needed in info["plugins"].items():
        if name in there:
            continue
        what = f"needed by this bundle (made with {needed['version']})"
        if name in broken:
            problems.append(Problem(f"plugin {name}", f"{what}, and broken: {broken[name]}", "graft doctor tells more"))
        elif name in off:
            problems.append(Problem(f"plugin {name}", f"{what}, and switched off", "see graft plugins list"))
        else:
            problems.append(Problem(f"plugin {name}", f"{what}, and not installed"))
            installs.append(needed["distribution"] or name)
    if problems:
        fix = f"pip install {' '.join(installs)}" if installs else None
        raise PluginError(f"{folder} cannot be loaded without its plugins", problems=problems, fix=fix)


def _found(
    kind: type[TaskSpec] | type[HeadSpec] | type[DecoderSpec], part: Mapping[str, Any], plugins: Plugins, folder: Path
) -> tuple[Any, BaseModel]:
    spec = plugins.find(kind, f"{part['plugin']}:{part['name']}")
    try:
        return spec, plugins.options(spec).model_validate(part["options"])
    except ValidationError as error:
        owner = plugins.owner(spec)
        raise RunError(
            f"{folder}: the options of the {spec.kind} '{spec.name}' do not fit plugin {owner.name} {owner.version}",
            problems=[Problem(".".join(map(str, entry["loc"])), entry["msg"]) for entry in error.errors()],
            fix=f'use the plugin\'s version that made the bundle: see "plugins" in {folder / DOCUMENT}',
        ) from error


def _section(values: Mapping[str, Any]) -> BackboneSection:
    kind = f"{values['plugin']}:{values['source']}:{values['arch']}"
    return BackboneSection(kind=kind, weights="none", upto=values["upto"], channels=values["channels"])


def _read_tensors(folder: Path, info: Mapping[str, Any]) -> dict[str, Tensor]:
    from graft.safeload import load_state_dict

    file = folder / TENSORS
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{file}: cannot be read ({error.strerror or error})", fix="copy the bundle again") from error
    if found != info["digests"].get(TENSORS):
        raise RunError(
            f"{file}: damaged: its content does not have the digest that {DOCUMENT} records", fix="copy it again"
        )
    try:
        return load_state_dict(file)
    except WeightsError as error:
        raise RunError(error.message, fix=error.fix) from error


def _check_tensors(folder: Path, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    def described(tensor: Tensor) -> str:
        return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"

    problems = [Problem(name, f"missing; the model has {described(wanted[name])}") for name in wanted.keys() - given]
    problems += [Problem(name, f"unknown to the model: {described(given[name])}") for name in given.keys() - wanted]
    problems += [
        Problem(name, f"{described(given[name])}, but the model has {described(wanted[name])}")
        for name in wanted.keys() & given.keys()
        if described(wanted[name]) != described(given[name])
    ]
    if problems:
        raise RunError(
            f"{folder / TENSORS}: {len(problems)} of its tensors do not fit the model that {DOCUMENT} describes",
            problems=sorted(problems, key=lambda problem: problem.where),
            fix=f'use the versions that made the bundle: see "graft" and "plugins" in {folder / DOCUMENT}',
        )
