from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graft.backbones.names import architectures, find_architecture, read_index, sources
from graft.errors import PluginError
from graft.plugins import BackboneSpec, core_plugins

PLUGINS = core_plugins()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tiny", "graft:tiny"),
        ("resnet50", "timm:resnet50"),
        ("mobilenet_v2", "torchvision:mobilenet_v2"),
        ("torchvision:resnet50", "torchvision:resnet50"),
        ("timm:resnet50", "timm:resnet50"),
        ("resnet50.a1_in1k", "timm:resnet50.a1_in1k"),
        ("mobilenet_v2.IMAGENET1K_V1", "torchvision:mobilenet_v2.IMAGENET1K_V1"),
        ("core:timm:resnet50", "timm:resnet50"),
        ("timm:beyond_the_index", "timm:beyond_the_index"),
    ],
)
def test_find_architecture__source_and_name(kind: str, expected: str) -> None:
    spec, arch = find_architecture(kind, PLUGINS)
    assert f"{spec.name}:{arch}" == expected


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("reznet50", "no backbone 'reznet50': did you mean 'resnet50'?"),
        ("shufflenet_v2_0_5", "did you mean 'shufflenet_v2_x0_5'?"),
        ("qqq", "graft backbones list"),
        ("tim:resnet50", "tim"),
    ],
)
def test_find_architecture__unknown(kind: str, says: str) -> None:
    with pytest.raises(PluginError) as caught:
        find_architecture(kind, PLUGINS)
    assert says in str(caught.value)


def test_sources__own_then_timm_then_torchvision_then_the_others() -> None:
    assert [spec.name for spec in sources(PLUGINS)][:3] == ["graft", "timm", "torchvision"]


def test_architectures__index_that_cannot_be_read() -> None:
    spec = BackboneSpec(name="x", summary="", target="x:X", index="graft.backbones:missing.txt")
    with pytest.raises(PluginError, match=r"'graft.backbones:missing.txt' cannot be read"):
        architectures(spec)


@pytest.mark.parametrize("index", ["graft.txt", "timm.txt", "torchvision.txt"])
def test_read_index__names_without_repetition(index: str) -> None:
    names = read_index(f"graft.backbones:{index}")
    assert names
    assert len(set(names)) == len(names)


def test_find_architecture__imports_no_torch() -> None:
    code = (
        "import sys; from graft.plugins import core_plugins; from graft.backbones import find_architecture;"
        "find_architecture('resnet50', core_plugins());"
        "import graft.cli.backbones;"
        "print(sorted({'torch', 'timm', 'torchvision', 'safetensors', 'numpy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_find_architecture__of_a_plugins_own_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo_data").mkdir()
    (tmp_path / "zoo_data" / "__init__.py").write_text("")
    (tmp_path / "zoo_data" / "names.txt").write_text("# animals\nzebra\n\nresnet50\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    zoo = BackboneSpec(name="zoo", summary="Animals.", target="zoo:Zoo", index="zoo_data:names.txt")

    class WithZoo:
        def specs(self, kind: type[BackboneSpec]) -> dict[str, BackboneSpec]:
            return {"zoo": zoo, **PLUGINS.specs(kind)}

    plugins: Any = WithZoo()
    assert find_architecture("zebra", plugins) == (zoo, "zebra")
    assert find_architecture("resnet50", plugins)[0].name == "timm"
    with pytest.raises(PluginError, match="did you mean 'zebra'"):
        find_architecture("zebro", plugins)
