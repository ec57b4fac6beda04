from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save, save_file

from graft.backbones import build_backbone
from graft.backbones.importing import import_weights
from graft.backbones.load import LoadedBackbone
from graft.errors import GraftError, OfflineError, PluginError, RecipeError, RunError, WeightsError
from graft.plugins import core_plugins
from graft.recipe.schema import Backbone as Section
from graft.runs.info import digest
from shades import shades_plugins

PLUGINS = core_plugins()
ARCH = "mobilenetv3_small_050"


def build(*, stochastic_depth: float = 0.0, **section: Any) -> LoadedBackbone:
    return build_backbone(Section(**section), plugins=PLUGINS, stochastic_depth=stochastic_depth)


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(3)
    return timm.create_model(ARCH, num_classes=7).eval()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def file(network: Any, tmp_path: Path) -> Path:
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def is_the_networks(loaded: LoadedBackbone, network: Any) -> bool:
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        theirs = network.forward_head(network.forward_features(x), pre_logits=True)
        return torch.equal(loaded.backbone.eval().embed(x), theirs)


def test_build_backbone__default_is_the_embedded_one() -> None:
    loaded = build_backbone(Section(), plugins=PLUGINS)
    assert (loaded.source, loaded.arch) == ("graft", "tiny")
    assert loaded.weights is not None
    assert loaded.report is not None
    assert loaded.backbone.preprocess == loaded.weights.preprocess
    again = build(weights="embedded")
    for name, tensor in loaded.backbone.state_dict().items():
        assert torch.equal(tensor, again.backbone.state_dict()[name])


def test_build_backbone__none_is_random(network: Any) -> None:
    loaded = build(kind=ARCH, weights="none")
    assert (loaded.weights, loaded.report) == (None, None)
    assert not is_the_networks(loaded, network)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_build_backbone__file(suffix: str, network: Any, file: Path) -> None:
    path = file.with_suffix(suffix)
    if suffix == ".pth":
        wrapped = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
        torch.save({"epoch": 1, "state_dict": wrapped}, path)
    loaded = build(kind=ARCH, weights=str(path))
    assert is_the_networks(loaded, network)
    assert loaded.weights is not None
    assert (loaded.weights.name, loaded.weights.origin) == (path.name, str(path))
    assert loaded.report is not None
    assert set(loaded.report.reheaded) == {"classifier.weight", "classifier.bias"}
    assert loaded.report.matched == len(loaded.backbone.state_dict())


def test_build_backbone__classifier_on_the_embedding_is_the_whole_network(network: Any, file: Path) -> None:
    loaded = build(kind=f"timm:{ARCH}", weights=str(file))
    assert loaded.classifier is not None
    weight, bias = loaded.classifier
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(torch.nn.functional.linear(loaded.backbone.eval().embed(x), weight, bias), network(x))


def test_build_backbone__no_classifier_on_the_embedding(file: Path, tmp_path: Path) -> None:
    assert build(kind=f"timm:{ARCH}", weights=str(file), upto="stage3").classifier is None
    assert build(kind=f"timm:{ARCH}", weights="none").classifier is None
    assert build().classifier is None
    state = {
        f"backbone.{name}": t for name, t in build(kind=f"timm:{ARCH}", weights="none").backbone.state_dict().items()
    }
    head = {"head.weight": torch.zeros(3, 1024), "head.bias": torch.zeros(3)}
    save_file({**state, **head}, tmp_path / "bundle.safetensors")
    assert build(kind=f"timm:{ARCH}", weights=str(tmp_path / "bundle.safetensors")).classifier is None


def test_build_backbone__own_bundle(network: Any, file: Path, tmp_path: Path) -> None:
    backbone = build(kind=ARCH, weights=str(file)).backbone
    bundle = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    save_file({**bundle, "head.layer.weight": torch.ones(2, 1024)}, tmp_path / "model.safetensors")
    loaded = build(kind=ARCH, weights=str(tmp_path / "model.safetensors"))
    assert is_the_networks(loaded, network)
    assert loaded.report is not None
    assert loaded.report.reheaded == ("head.layer.weight",)


@pytest.mark.parametrize(("mean", "std"), [((0.0, 0.1, 0.2), (1.0, 0.9, 0.8)), ((0.5,), (0.25,))])
def test_build_backbone__a_runs_weights_see_pixels_as_the_run_did(
    mean: tuple[float, ...], std: tuple[float, ...], tmp_path: Path
) -> None:
    channels = len(mean)
    backbone = build(kind=ARCH, weights="none", channels=channels).backbone
    theirs = replace(backbone.preprocess, size=(48, 48), mean=mean, std=std, channel_order="rgb")
    info: dict[str, Any] = {"format": 1, "preprocess": theirs.to_json(), "weights": {"licence": "cc-by-4.0"}}
    info["digests"] = {}
    info["digests"]["bundle.json"] = digest(info)
    save_file(
        {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}, tmp_path / "model.safetensors"
    )
    (tmp_path / "bundle.json").write_text(json.dumps(info), encoding="utf-8")
    loaded = build(kind=ARCH, weights=str(tmp_path / "model.safetensors"), channels=channels)
    found = loaded.backbone.preprocess
    assert (found.mean, found.std) == (mean, std)
    assert found.size == backbone.preprocess.size, "how large images are is not the weights'"
    assert loaded.weights is not None
    assert loaded.weights.licence == "cc-by-4.0"
    for name, tensor in loaded.backbone.state_dict().items():
        assert torch.equal(tensor, backbone.state_dict()[name])

    (tmp_path / "bundle.json").write_text(json.dumps({**info, "weights": None}), encoding="utf-8")
    with pytest.raises(RunError, match=r"bundle\.json: damaged"):
        build(kind=ARCH, weights=str(tmp_path / "model.safetensors"), channels=channels)


def test_build_backbone__other_architecture_is_refused(file: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"w.safetensors for timm:mobilenetv3_large_100: .* tensors of another shape"
    ):
        build(kind="mobilenetv3_large_100", weights=str(file))


def test_build_backbone__upto_cuts_and_leaves_the_rest(network: Any, file: Path) -> None:
    whole = build(kind=ARCH, weights=str(file))
    cut = build(kind=ARCH, weights=str(file), upto="stage2")
    assert [stage.name for stage in cut.backbone.info.stages] == ["stem", "stage1", "stage2"]
    assert cut.backbone.info.embed_dim == cut.backbone.info.stages[-1].channels
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        theirs = whole.backbone.eval().prefix(x, 3)
        assert torch.equal(cut.backbone.eval().suffix(x, 0), theirs)
    assert cut.report is not None
    assert whole.report is not None
    assert cut.report.matched + len(cut.report.left) == whole.report.matched
    with pytest.raises(WeightsError, match=r"no stage 'stage9'\nFix: one of stem, stage1"):
        build(kind=ARCH, weights="none", upto="stage9")


@pytest.mark.parametrize("channels", [1, 5])
def test_build_backbone__channels(channels: int, network: Any, file: Path) -> None:
    loaded = build(kind=ARCH, weights=str(file), channels=channels)
    assert loaded.backbone.preprocess.channels == channels
    if channels == 1:
        grey = torch.randn(1, 1, 64, 64)
        three = build(kind=ARCH, weights=str(file)).backbone.eval()
        with torch.no_grad():
            torch.testing.assert_close(
                loaded.backbone.eval().embed(grey), three.embed(grey.expand(1, 3, 64, 64)), rtol=1e-3, atol=1e-4
            )


def test_build_backbone__size() -> None:
    assert build(kind=ARCH, weights="none", size=96).backbone.preprocess.size == (96, 96)
    assert build(kind=ARCH, weights="none", size=(64, 96)).backbone.preprocess.size == (64, 96)
    with pytest.raises(WeightsError, match="cannot take images of 32 × 32 pixels"):
        build(kind="inception_v3", weights="none", size=32)


@pytest.mark.parametrize(
    ("section", "error", "says"),
    [
        ({"kind": "reznet18"}, PluginError, "did you mean"),
        ({"kind": ARCH, "weights": "embedded"}, WeightsError, "has no embedded weights"),
        ({"kind": ARCH, "weights": "pretraind"}, WeightsError, "did you mean 'pretrained'?"),
        ({"kind": ARCH, "weights": "missing/w.pth"}, WeightsError, "missing/w.pth: no such file"),
        ({"kind": ARCH, "weights": "w.onnx/"}, WeightsError, "no such file"),
        ({"kind": ARCH}, OfflineError, "mobilenetv3_small_050.lamb_in1k"),
        ({"kind": "torchvision:resnet18"}, OfflineError, "https://download.pytorch.org/models/resnet18-f37072fd.pth"),
        ({"kind": ARCH, "weights": "hf-hub:a/b"}, OfflineError, "a/b/resolve/main/config.json"),
    ],
)
def test_build_backbone__mistakes(section: dict[str, str], error: type[GraftError], says: str) -> None:
    with pytest.raises(error) as caught:
        build(**section)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_build_backbone__pretrained_from_the_hub(fake_hub: Any, network: Any) -> None:
    fake_hub.files[f"timm/{ARCH}.lamb_in1k/model.safetensors"] = save(network.state_dict())
    loaded = build(kind=ARCH)
    assert is_the_networks(loaded, network)
    assert loaded.weights is not None
    assert (loaded.weights.name, loaded.weights.licence) == (f"{ARCH}.lamb_in1k", "apache-2.0")
    assert loaded.backbone.preprocess.size == (224, 224)


def test_build_backbone__damaged_file_from_the_hub(fake_hub: Any, network: Any) -> None:
    fake_hub.files[f"timm/{ARCH}.lamb_in1k/model.safetensors"] = save(network.state_dict())[:-100]
    with pytest.raises(WeightsError, match="damaged safetensors"):
        build(kind=ARCH)


@pytest.mark.parametrize("form", ["model.safetensors", "pytorch_model.bin"])
def test_build_backbone__somebodys_repository(form: str, fake_hub: Any, network: Any, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "w.bin")
    data = save(network.state_dict()) if form.endswith("tensors") else (tmp_path / "w.bin").read_bytes()
    config = {
        "architecture": ARCH,
        "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3, "input_size": [3, 96, 96], "license": "mit"},
    }
    fake_hub.files["me/cells/config.json"] = json.dumps(config).encode()
    fake_hub.files[f"me/cells/{form}"] = data
    loaded = build(kind=ARCH, weights="hf-hub:me/cells")
    assert is_the_networks(loaded, network)
    assert loaded.weights is not None
    assert (loaded.weights.licence, loaded.weights.origin) == ("mit", "hf-hub:me/cells")
    preprocess = loaded.backbone.preprocess
    assert (preprocess.size, preprocess.mean, preprocess.std) == ((96, 96), (0.5,) * 3, (0.25,) * 3)
    with pytest.raises(WeightsError, match=f'write backbone.kind = "timm:{ARCH}"'):
        build(kind="resnet18", weights="hf-hub:me/cells")


@pytest.mark.parametrize("config", [b"", b"[]", b"{}", b'{"architectures": ["BertModel"]}'])
def test_build_backbone__repository_that_is_not_timms(config: bytes, fake_hub: Any) -> None:
    fake_hub.files["me/bert/config.json"] = config
    with pytest.raises(WeightsError, match="does not say which architecture of timm it is for"):
        build(kind=ARCH, weights="hf-hub:me/bert")


def test_import_weights__then_build(network: Any, file: Path) -> None:
    stored, report = import_weights(
        file,
        name="mine",
        arch=ARCH,
        plugins=PLUGINS,
        licence="mit",
        preprocess={"mean": (0.5, 0.5, 0.5), "channel_order": "bgr"},
    )
    assert stored.architecture == f"timm:{ARCH}"
    assert report is not None
    assert load_file(stored.path).keys() == network.state_dict().keys()
    loaded = build(kind=ARCH, weights="mine")
    assert is_the_networks(loaded, network)
    assert loaded.weights is not None
    assert (loaded.weights.name, loaded.weights.licence) == ("mine", "mit")
    assert loaded.backbone.preprocess.mean == (0.5, 0.5, 0.5)
    assert loaded.backbone.preprocess.channel_order == "bgr"
    with pytest.raises(WeightsError, match=f"are for timm:{ARCH}, not for timm:resnet18"):
        build(kind="resnet18", weights="mine")


def test_import_weights__part_of_a_network(network: Any, tmp_path: Path) -> None:
    whole = build(kind=ARCH, weights="none").backbone
    held = {n: t for n, t in network.state_dict().items() if n.startswith(("conv_stem", "bn1", "blocks.0", "blocks.1"))}
    torch.save(held, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=r'write backbone.upto = "stage2"'):
        import_weights(tmp_path / "part.pth", name="part", arch=ARCH, plugins=PLUGINS)
    import_weights(tmp_path / "part.pth", name="part", arch=ARCH, plugins=PLUGINS, upto="stage2")
    with pytest.raises(WeightsError, match=r'end at stage2\nFix: write backbone.upto = "stage2"'):
        build(kind=ARCH, weights="part")
    cut = build(kind=ARCH, weights="part", upto="stage2").backbone
    assert len(cut.stages) == 3 < len(whole.stages)


def test_import_weights__nothing_is_stored_that_does_not_fit(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="tensors missing"):
        import_weights(file, name="mine", arch="resnet18", plugins=PLUGINS)
    with pytest.raises(WeightsError, match="mean and std are for 2 and 3 channels, the network takes 3"):
        import_weights(file, name="mine", arch=ARCH, plugins=PLUGINS, preprocess={"mean": (0.5, 0.5)})
    assert not (tmp_path / "home" / "weights").exists()


@pytest.mark.parametrize(
    "kind", ["graft:tiny", ARCH, "timm:resnet18", "timm:convnext_atto", "torchvision:convnext_tiny"]
)
def test_stochastic_depth__skips_blocks_in_training_and_changes_nothing_else(kind: str) -> None:
    torch.manual_seed(0)
    plain = build(kind=kind, weights="none").backbone
    deep = build(kind=kind, weights="none", stochastic_depth=0.5).backbone
    assert list(deep.state_dict()) == list(plain.state_dict())
    for parameter in plain.parameters():
        if parameter.ndim == 1:  # what scales a block's output is born as zero: skipping it would not be seen
            torch.nn.init.normal_(parameter)
    deep.load_state_dict(plain.state_dict())
    x = torch.randn(8, 3, 64, 64)

    def draws(backbone: Any) -> list[torch.Tensor]:
        backbone.train()
        torch.manual_seed(1)
        with torch.no_grad():
            found = [backbone.embed(x) for _ in range(2)]
        backbone.load_state_dict(state)
        return found

    state = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    assert torch.equal(*draws(plain))
    assert not torch.equal(*draws(deep))
    with torch.no_grad():
        assert torch.equal(deep.eval().embed(x), plain.eval().embed(x))


@pytest.mark.parametrize(("kind", "named"), [("timm:resnet18", "drop_prob"), ("torchvision:efficientnet_b0", "p")])
def test_stochastic_depth__rises_with_depth(kind: str, named: str) -> None:
    def rates(chance: float) -> list[float]:
        backbone = build(kind=kind, weights="none", stochastic_depth=chance).backbone
        drops = [m for m in backbone.modules() if type(m).__name__ in ("DropPath", "StochasticDepth")]
        return [float(getattr(drop, named)) for drop in drops]

    rising = rates(0.4)
    assert rising == sorted(rising)
    assert rising[0] < 0.1
    assert 0.3 < rising[-1] <= 0.4
    assert not any(rates(0.0)), "nothing is skipped, whatever the library's own default"


def test_stochastic_depth__with_weights(network: Any, file: Path) -> None:
    loaded = build(kind=ARCH, weights=str(file), stochastic_depth=0.3)
    assert is_the_networks(loaded, network)


@pytest.mark.parametrize("kind", ["timm:vgg11", "timm:inception_v3", "torchvision:resnet18", "torchvision:vgg11"])
def test_stochastic_depth__refused_before_anything_is_built_or_fetched(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("assembled")

    monkeypatch.setattr("graft.backbones.timm_source.assemble", refuse)
    monkeypatch.setattr("graft.backbones.torchvision_source.assemble", refuse)
    with pytest.raises(RecipeError) as caught:
        build(kind=kind, stochastic_depth=0.1)
    assert f"strategy.regularise.stochastic_depth: {kind} has no residual blocks" in str(caught.value)


def test_stochastic_depth__source_that_does_not_know_it() -> None:
    section = Section(kind="shades:bits", weights="none")
    plugins = shades_plugins()
    assert build_backbone(section, plugins=plugins).arch == "bits"
    with pytest.raises(RecipeError, match="shades:bits has no residual blocks"):
        build_backbone(section, plugins=plugins, stochastic_depth=0.1)
