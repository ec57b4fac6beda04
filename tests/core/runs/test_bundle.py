from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from graft.errors import PluginError, RunError, TrainingError
from graft.plugins import core_plugins
from graft.runs.bundle import load_bundle
from graft.runs.info import digest, find_bundle, read_info
from tones import HOSTILE, PREPROCESS, SIZE, save_tones, tones_plugins


def rewrite(folder: Path, **changes: object) -> None:
    """Change bundle.json as somebody would who knows how the digest is made."""
    info = {**json.loads((folder / "bundle.json").read_text()), **changes}
    info["digests"]["bundle.json"] = digest(info)
    (folder / "bundle.json").write_text(json.dumps(info))


def replace_tensors(folder: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, folder / "model.safetensors")
    tensors = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    rewrite(folder, digests={"model.safetensors": tensors})


def test_round_trip__same_outputs_and_names(tmp_path: Path) -> None:
    folder, model, plugins = save_tones(tmp_path / "bundle")
    assert sorted(path.name for path in folder.iterdir()) == ["bundle.json", "model.safetensors"]
    state = torch.get_rng_state()
    bundle = load_bundle(folder, plugins=plugins)
    assert torch.equal(torch.get_rng_state(), state), "loading spends the caller's random state"
    images = torch.randint(0, 256, (3, 3, SIZE, SIZE), dtype=torch.uint8)
    assert torch.equal(bundle.model(images), model(images))
    assert not bundle.model.training
    assert bundle.classes == HOSTILE == bundle.task.classes
    assert bundle.preprocess == PREPROCESS == bundle.model.backbone.preprocess
    assert bundle.task_name == "tones"
    assert bundle.info["weights"] == {"name": "blocks.tag", "origin": "here", "licence": "cc-by-nc-4.0"}
    assert bundle.info["plugins"]["tones"] == {"version": "1.2", "distribution": "graft-tones", "licence": "MIT"}
    assert bundle.info["head"]["options"] == {"scale": 2.0}


def test_save_bundle__replaces_the_old_one_only_when_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(TrainingError, match="No space left"):
            save_tones(folder, ("c", "d"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"], "nothing half-made is left"
    save_tones(folder, ("c", "d"))
    assert load_bundle(folder, plugins=plugins).classes == ("c", "d")


def test_load_bundle__run_folder(tmp_path: Path) -> None:
    save_tones(tmp_path / "bundle", ("a", "b"))
    assert load_bundle(tmp_path, plugins=tones_plugins()).path == tmp_path / "bundle"


@pytest.mark.parametrize("seed", range(10))
def test_load_bundle__one_flipped_byte(tmp_path: Path, seed: int) -> None:
    folder, _, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    for name in ("model.safetensors", "bundle.json"):
        path = folder / name
        intact = path.read_bytes()
        place = torch.randint(0, len(intact), (), generator=torch.Generator().manual_seed(seed)).item()
        flipped = bytearray(intact)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        if name == "bundle.json" and intact[place : place + 1].isspace():
            continue  # one kind of white space for another: the same document
        with pytest.raises(RunError, match=r"(?i)damaged|read|newer|describes no bundle"):
            load_bundle(folder, plugins=plugins)
        path.write_bytes(intact)


@pytest.mark.parametrize("length", [0, 1, 8, 100, -1])
def test_load_bundle__truncated(tmp_path: Path, length: int) -> None:
    folder, _, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    path = folder / "model.safetensors"
    os.truncate(path, length if length >= 0 else path.stat().st_size - 1)
    with pytest.raises(RunError, match=r"model\.safetensors"):
        load_bundle(folder, plugins=plugins)


def test_load_bundle__made_by_a_newer_graft(tmp_path: Path) -> None:
    folder, _, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    rewrite(folder, format=2, graft="9.1", something="new")
    with pytest.raises(RunError, match=r"made by a newer Graft \(9\.1\)") as caught:
        load_bundle(folder, plugins=plugins)
    assert "--upgrade" in str(caught.value.fix)


def test_load_bundle__made_before_there_were_decoders(tmp_path: Path) -> None:
    folder, _, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    info = json.loads((folder / "bundle.json").read_text())
    del info["decoder"], info["numbers"]
    info["digests"]["bundle.json"] = digest(info)
    (folder / "bundle.json").write_text(json.dumps(info))
    loaded = load_bundle(folder, plugins=plugins)
    assert loaded.decoder.channels == (3, 1)
    assert loaded.task.numbers == {}


def test_load_bundle__missing_plugin_says_what_to_install(tmp_path: Path) -> None:
    folder, _, _ = save_tones(tmp_path / "bundle", ("a", "b"))
    with pytest.raises(PluginError, match=r"plugin tones: needed by this bundle \(made with 1\.2\)") as caught:
        load_bundle(folder, plugins=core_plugins())
    assert caught.value.fix == "pip install graft-tones"


def test_load_bundle__options_that_the_plugin_no_longer_takes(tmp_path: Path) -> None:
    folder, _, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    head = read_info(folder)["head"]
    rewrite(folder, head={**head, "options": {"sharpness": 1}})
    with pytest.raises(RunError, match="sharpness"):
        load_bundle(folder, plugins=plugins)


def test_load_bundle__tensors_that_do_not_fit(tmp_path: Path) -> None:
    folder, _, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    state = load_file(folder / "model.safetensors")
    state["head.linear.weight"] = torch.zeros(3, 12)
    state["head.linear.bias"] = state["head.linear.bias"].half()
    state["stranger"] = torch.zeros(1)
    del state["backbone.stages.1.bias"]
    replace_tensors(folder, state)
    with pytest.raises(RunError) as caught:
        load_bundle(folder, plugins=plugins)
    text = str(caught.value)
    assert "4 of its tensors do not fit" in text
    assert "head.linear.weight: (3, 12) float32, but the model has (2, 12) float32" in text
    assert "head.linear.bias: (2,) float16, but the model has (2,) float32" in text
    assert "stranger: unknown to the model" in text
    assert "backbone.stages.1.bias: missing" in text


def test_load_bundle__pickle_in_disguise_is_refused(tmp_path: Path) -> None:
    folder, model, plugins = save_tones(tmp_path / "bundle", ("a", "b"))
    torch.save(model.state_dict(), folder / "model.safetensors")
    tensors = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    rewrite(folder, digests={"model.safetensors": tensors})
    with pytest.raises(RunError, match="safetensors"):
        load_bundle(folder, plugins=plugins)


def test_find_bundle__nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        find_bundle(tmp_path / "nowhere")
    with pytest.raises(RunError, match="holds no bundle"):
        find_bundle(tmp_path)
    (tmp_path / "recipe.toml").write_text("")
    with pytest.raises(RunError) as caught:
        find_bundle(tmp_path)
    assert caught.value.fix == f"finish the run first: graft resume {tmp_path}"
