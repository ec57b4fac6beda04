from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from graft.backbones.names import (
    architectures,
    find_architecture,
    read_index,
    reductions_of,
    sources,
    stage_names,
)
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
def test_read_index__every_architecture_once_with_its_reductions(index: str) -> None:
    listed = read_index(f"graft.backbones:{index}")
    lines = resources.files("graft.backbones").joinpath(index).read_text(encoding="utf-8").splitlines()
    assert len(listed) == len(lines) > 0
    for name, reductions in listed.items():
        assert reductions, name
        assert list(reductions) == sorted(reductions)


def test_read_index__a_line_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo_odd").mkdir()
    (tmp_path / "zoo_odd" / "__init__.py").write_text("")
    (tmp_path / "zoo_odd" / "names.txt").write_text("zebra\t2 four\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match=r"'zoo_odd:names\.txt' cannot be read: .*'four'"):
        read_index("zoo_odd:names.txt")


@pytest.mark.parametrize(
    ("kind", "reductions"),
    [
        ("resnet18", (2, 4, 8, 16, 32)),
        ("resnet18.a1_in1k", (2, 4, 8, 16, 32)),
        ("torchvision:vgg11", (1, 2, 4, 8, 16, 32)),
        ("timm:beyond_the_index", ()),
    ],
)
def test_reductions_of(kind: str, reductions: tuple[int, ...]) -> None:
    assert reductions_of(*find_architecture(kind, PLUGINS)) == reductions


@pytest.mark.parametrize(
    "kind",
    [
        *("timm:resnet18", "timm:vgg16_bn", "timm:inception_v3", "timm:inception_resnet_v2", "timm:efficientnet_b0"),
        *("timm:mobilenetv3_large_100", "timm:convnext_tiny", "torchvision:shufflenet_v2_x0_5"),
        *("timm:csatv2", "timm:convmixer_768_32", "timm:fastvit_mci3", "timm:cspdarknet53", "timm:caformer_s18"),
        *("torchvision:densenet121", "torchvision:convnext_tiny", "torchvision:regnet_y_400mf"),
    ],
)
def test_reductions_of__are_those_of_the_network(kind: str) -> None:
    """The index is written by scripts/index_backbones.py: run it again when the libraries have changed."""
    from graft.backbones import timm_source, torchvision_source

    spec, arch = find_architecture(kind, PLUGINS)
    cut = (timm_source if spec.name == "timm" else torchvision_source).cut_of(arch)
    assert reductions_of(spec, arch) == tuple(stage.reduction for stage in cut.info.stages)
    assert stage_names(len(cut.info.stages)) == [stage.name for stage in cut.info.stages]


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
    assert reductions_of(zoo, "zebra") == ()
    with pytest.raises(PluginError, match="did you mean 'zebra'"):
        find_architecture("zebro", plugins)
