from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from graft.backbones.hub import cached, hub_file, url_file
from graft.errors import OfflineError, WeightsError


def test_hub_file__downloaded_once_then_from_the_cache(fake_hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub.files["timm/tiny/model.safetensors"] = b"tensors"
    assert not cached("hf-hub:timm/tiny")
    path = hub_file("timm/tiny", ("model.safetensors",))
    assert path.read_bytes() == b"tensors"
    asked = len(fake_hub.asked)
    assert asked
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert hub_file("timm/tiny", ("model.safetensors",)) == path
    assert cached("hf-hub:timm/tiny")
    assert len(fake_hub.asked) == asked


def test_hub_file__second_name_where_there_is_no_first(fake_hub: Any) -> None:
    fake_hub.files["timm/tiny/pytorch_model.bin"] = b"pickle"
    assert hub_file("timm/tiny", ("model.safetensors", "pytorch_model.bin")).read_bytes() == b"pickle"


@pytest.mark.parametrize("variable", ["GRAFT_OFFLINE", "HF_HUB_OFFLINE"])
def test_hub_file__offline_asks_nobody(variable: str, fake_hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub.files["timm/tiny/model.safetensors"] = b"tensors"
    monkeypatch.setenv(variable, "1")
    with pytest.raises(OfflineError) as caught:
        hub_file("timm/tiny", ("model.safetensors",), arch="timm:tiny")
    said = str(caught.value)
    assert f"{fake_hub.url}/timm/tiny/resolve/main/model.safetensors is not in the cache, and Graft is offline" in said
    assert "graft backbones import FILE --name NAME --arch timm:tiny" in said
    assert fake_hub.asked == []


def test_hub_file__nobody_answers(fake_hub: Any) -> None:
    fake_hub.server.shutdown()
    fake_hub.server.server_close()
    with pytest.raises(OfflineError, match="cannot be reached") as caught:
        hub_file("timm/tiny", ("model.safetensors",))
    assert "graft backbones import FILE" in str(caught.value)


def test_hub_file__hub_hangs_up(fake_hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the hub's library tries again, later and later
    fake_hub.hangs_up = True
    with pytest.raises(OfflineError, match="cannot be reached") as caught:
        hub_file("timm/tiny", ("model.safetensors",))
    assert "graft backbones import FILE" in str(caught.value)
    assert fake_hub.asked


def test_hub_file__what_the_hub_has_not(fake_hub: Any) -> None:
    fake_hub.files["timm/tiny/README.md"] = b"x"
    with pytest.raises(WeightsError, match=r"hf-hub:timm/tiny has none of model.safetensors, pytorch_model.bin"):
        hub_file("timm/tiny", ("model.safetensors", "pytorch_model.bin"))
    with pytest.raises(WeightsError, match="hf-hub:timm/other: no such repository, or it is private"):
        hub_file("timm/other", ("model.safetensors",))
    with pytest.raises(WeightsError, match="this is no name of a repository"):
        hub_file("a/b/c", ("model.safetensors",))


def test_url_file__checked_and_kept(fake_hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"net-{hashlib.sha256(b'tensors').hexdigest()[:8]}.pth"
    fake_hub.files[f"models/{name}"] = b"tensors"
    url = f"{fake_hub.url}/models/{name}"
    assert not cached(url)
    path = url_file(url)
    assert path == tmp_path / "home" / "hub" / name
    assert path.read_bytes() == b"tensors"
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert url_file(url) == path
    assert cached(url)
    assert len(fake_hub.asked) == 1


def test_url_file__not_what_its_name_states(fake_hub: Any, tmp_path: Path) -> None:
    fake_hub.files["models/net-00000000.pth"] = b"tensors"
    with pytest.raises(WeightsError, match="what came is not what the name states"):
        url_file(f"{fake_hub.url}/models/net-00000000.pth")
    assert list((tmp_path / "home" / "hub").iterdir()) == []


def test_url_file__offline_or_out_of_reach(fake_hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OfflineError, match="cannot be downloaded"):
        url_file(f"{fake_hub.url}/models/none.pth")
    assert list((tmp_path / "home" / "hub").iterdir()) == []
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    with pytest.raises(OfflineError, match="graft backbones import FILE --name NAME --arch torchvision:net"):
        url_file(f"{fake_hub.url}/models/net.pth", arch="torchvision:net")
