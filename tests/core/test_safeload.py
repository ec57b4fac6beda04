from __future__ import annotations

import json
import re
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import graft
from graft.errors import WeightsError
from graft.safeload import load_checkpoint, load_state_dict

STATE = {"conv.weight": torch.arange(12.0).reshape(1, 3, 2, 2), "conv.bias": torch.ones(1)}


def hostile(command: str) -> bytes:
    """A pickle, written by hand, that runs a shell command when it is loaded."""
    return b"cposix\nsystem\n(S'" + command.encode() + b"'\ntR."


def same(state: dict[str, torch.Tensor]) -> bool:
    return state.keys() == STATE.keys() and all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_load_state_dict__safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "w.safetensors")
    assert same(load_state_dict(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
@pytest.mark.parametrize("wrap", [None, "state_dict", "model_state_dict", "model"])
def test_load_state_dict__pickle_of_plain_tensors(suffix: str, wrap: str | None, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    torch.save(STATE if wrap is None else {"epoch": 3, wrap: STATE, "optimizer": {"lr": 0.1}}, path)
    assert same(load_state_dict(path))


def test_load_state_dict__old_pickle_format(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert same(load_state_dict(tmp_path / "w.pth"))


def test_load_state_dict__half_precision_stays(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "w.pth")
    assert load_state_dict(tmp_path / "w.pth")["w"].dtype == torch.bfloat16


@pytest.mark.parametrize("load", [load_state_dict, load_checkpoint])
@pytest.mark.parametrize("suffix", [".pth", ".bin"])
@pytest.mark.parametrize("zipped", [False, True])
def test_load__hostile_pickle_is_refused_and_never_run(load, suffix: str, zipped: bool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    sentinel = tmp_path / "it-ran"
    payload = hostile(f"touch {sentinel}")
    path = tmp_path / f"w{suffix}"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
            archive.writestr("archive/version", "3")
    else:
        path.write_bytes(payload)
    with pytest.raises(WeightsError, match=r"could run code|damaged") as caught:
        load(path)
    assert "safetensors.torch.save_file" in str(caught.value)
    assert not sentinel.exists()


class Whole:
    """Stands for a whole model that somebody pickled."""


def test_load_state_dict__whole_model_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save({"model": Whole()}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="holds more than tensors and plain data") as caught:
        load_state_dict(tmp_path / "w.pt")
    assert "re-save its state dict" in str(caught.value)


def test_load_state_dict__who_knows_the_file_says_the_way_out(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"(?s)refused: this pickle .*Fix: type this$"):
        load_state_dict(tmp_path / "w.pt", way_out="type this")


@pytest.mark.parametrize("held", [[1, 2], {}, {"epoch": 1}, {"lr": 0.1, "state_dict": {"w": 3}}])
def test_load_state_dict__plain_data_without_tensors(held: object, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="no state dict in it, but"):
        load_state_dict(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("w.pth", b"", "the file is empty"),
        ("w.safetensors", b"", "the file is empty"),
        ("w.pth", b"hello", "damaged"),
        ("w.pth", b"\x80\x02", "damaged"),
        ("w.pth", b"PK\x03\x04" + bytes(40), "damaged"),
        ("w.pth", b"\x80\x02X\x04\x00\x00\x00\xff\xff\xff\xff.", "damaged"),
        ("w.safetensors", b"hello", "no safetensors file"),
        ("w.safetensors", struct.pack("<Q", 1 << 60) + b"{}", "no safetensors file"),
        ("w.safetensors", struct.pack("<Q", 2) + b"[]", "damaged safetensors"),
        ("w.safetensors", struct.pack("<Q", 4) + b"{{{{", "header cannot be read"),
        ("w.safetensors", struct.pack("<Q", 200_000) + b"[" * 200_000, "header cannot be read"),
        ("w.h5", b"\x89HDF", "weights are read from .safetensors, .pth"),
        ("w", b"x", "weights are read from .safetensors, .pth"),
    ],
)
def test_load_state_dict__files_that_are_none(name: str, data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=re.escape(reason)) as caught:
        load_state_dict(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_load_state_dict__truncated_anywhere(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    save_file(STATE, path) if suffix == ".safetensors" else torch.save(STATE, path)
    whole = path.read_bytes()
    for length in {1, 7, 8, 9, *(len(whole) * i // 10 for i in range(1, 10)), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            load_state_dict(path)


def test_load_state_dict__name_that_occurs_twice(tmp_path: Path) -> None:
    entry = json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    header = f'{{"w": {entry}, "w": {entry}}}'.encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(WeightsError, match="two tensors named 'w'"):
        load_state_dict(path)


def test_load_state_dict__no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        load_state_dict(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="this is a folder"):
        load_state_dict(tmp_path)


def test_load_checkpoint__plain_data(tmp_path: Path) -> None:
    held = {"epoch": 3, "optimizer": {"state": [torch.ones(2)]}, "names": ("a", "b")}
    torch.save(held, tmp_path / "c.ckpt")
    loaded = load_checkpoint(tmp_path / "c.ckpt")
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["optimizer"]["state"][0], torch.ones(2))


def test_sources__tensors_and_pickles_are_read_here_alone() -> None:
    """One door: no other module unpickles, and no one switches the protection off."""
    source = Path(graft.__file__).parent
    bare = re.compile(
        r"torch\.load\(|pickle\.loads?\(|joblib\.load|weights_only=False|allow_pickle=True|torch\.hub\.load"
    )
    files = [file.relative_to(source) for file in source.rglob("*.py")]
    # The kit for plugin authors pickles objects in memory, and takes them back itself: no file is involved.
    files = [file for file in files if file.parts[0] != "testing"]
    found = {str(file) for file in files if bare.search((source / file).read_text("utf-8"))}
    assert found == {"safeload.py"}
    assert "weights_only=False" not in (source / "safeload.py").read_text("utf-8")
