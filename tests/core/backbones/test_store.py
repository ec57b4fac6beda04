from __future__ import annotations

from pathlib import Path

import pytest

from graft.backbones import store
from graft.errors import WeightsError
from graft.preprocess import Preprocess

PREPROCESS = Preprocess(size=(96, 64), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), channel_order="bgr", crop=0.9)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))


def put(name: str, *, data: bytes = b"tensors") -> store.Stored:
    return store.put(
        name,
        write=lambda path: path.write_bytes(data) and None,
        architecture="timm:resnet18",
        upto="stage3",
        licence="mit",
        preprocess=PREPROCESS,
        imported_from="my.pth",
    )


def test_put__comes_back_as_it_went_in(tmp_path: Path) -> None:
    stored = put("mine")
    assert store.get("mine") == stored
    assert store.get("mine").preprocess == PREPROCESS
    assert store.verified(stored).read_bytes() == b"tensors"
    assert stored.path == tmp_path / "home" / "weights" / "mine" / "weights.safetensors"
    assert store.listed() == [stored]


def test_put__name_that_is_taken() -> None:
    put("mine")
    with pytest.raises(WeightsError, match="there are weights 'mine' already"):
        put("mine", data=b"others")
    assert store.verified(store.get("mine")).read_bytes() == b"tensors"


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".hidden", "none", "pretrained", "embedded", "a b", "x" * 65, "a\n"]
)
def test_put__what_cannot_be_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be a name of weights"):
        put(name)
    assert not (tmp_path / "home").exists()


def test_put__failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise WeightsError("no")

    with pytest.raises(WeightsError):
        store.put(
            "mine",
            write=fail,
            architecture="timm:resnet18",
            upto=None,
            licence=None,
            preprocess=PREPROCESS,
            imported_from="my.pth",
        )
    assert list((tmp_path / "home" / "weights").iterdir()) == []


def test_get__unknown_name_says_the_closest_and_what_there_is() -> None:
    put("cells")
    with pytest.raises(WeightsError) as caught:
        store.get("celz")
    assert "no weights 'celz': did you mean 'cells'?" in str(caught.value)
    with pytest.raises(WeightsError, match="did you mean 'pretrained'"):
        store.get("pretraind")


def test_verified__changed_or_missing_file() -> None:
    stored = put("mine")
    stored.path.write_bytes(b"tensorz")
    with pytest.raises(WeightsError, match="its SHA-256 differs"):
        store.verified(stored)
    stored.path.unlink()
    with pytest.raises(WeightsError, match="is missing"):
        store.verified(stored)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "name": "mine"}'])
def test_get__damaged_description(text: str) -> None:
    put("good")
    stored = put("mine")
    (stored.path.parent / "weights.json").write_text(text)
    with pytest.raises(WeightsError, match=r"is damaged|another version"):
        store.get("mine")
    assert [one.name for one in store.listed()] == ["good"]
    store.remove("mine")
    assert not stored.path.parent.exists()


def test_remove__unknown_name() -> None:
    with pytest.raises(WeightsError, match="no weights 'mine'"):
        store.remove("mine")
