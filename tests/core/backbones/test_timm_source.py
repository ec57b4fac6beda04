"""A small member of each family that the issue names, and of the trickier ones beside."""

from __future__ import annotations

import pytest
import timm
import torch

from graft.backbones.names import read_index
from graft.backbones.timm_source import INDEX, TimmSource, check, cut_of
from graft.errors import WeightsError

REDUCTIONS = {
    "resnet18": [2, 4, 8, 16, 32],
    "resnet26d": [2, 4, 8, 16, 32],  # a stem of three convolutions
    "seresnext26d_32x4d": [2, 4, 8, 16, 32],
    "resnetv2_18": [2, 4, 8, 16, 32],  # the last norm belongs to the pooled embedding
    "vgg11_bn": [1, 2, 4, 8, 16, 32],
    "inception_v3": [2, 4, 8, 16, 32],
    "mobilenetv2_100": [2, 4, 8, 16, 32],
    "mobilenetv3_small_050": [2, 4, 8, 16, 32],
    "efficientnet_b0": [2, 4, 8, 16, 32],
    "convnext_atto": [4, 4, 8, 16, 32],
    "regnetx_002": [2, 4, 8, 16, 32],
    "ghostnet_050": [2, 4, 8, 16, 32],
}


@pytest.fixture(scope="module")
def source() -> TimmSource:
    return TimmSource()


@pytest.mark.parametrize("arch", REDUCTIONS)
def test_build__same_network_as_timms_at_every_boundary(arch: str, source: TimmSource) -> None:
    size = 80 if "inception" in arch else 64
    torch.manual_seed(0)
    whole = timm.create_model(arch, num_classes=7).eval()
    backbone = source.build(arch).eval()

    state = source.convert(arch, whole.state_dict())
    ours = backbone.state_dict()
    left = {name for name in state if name not in ours}
    assert left
    assert all(name.startswith(tuple(source.classifier(arch))) for name in left)
    backbone.load_state_dict({name: tensor for name, tensor in state.items() if name in ours})  # strict: none missing

    assert [stage.reduction for stage in backbone.info.stages] == REDUCTIONS[arch]
    assert backbone.info.stages[0].name == "stem"
    assert backbone.info.stages[-1].name == f"stage{len(REDUCTIONS[arch]) - 1}"
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        maps = backbone.pyramid(x)
        assert [h.shape[1] for h in maps] == [stage.channels for stage in backbone.info.stages]
        for i, h in enumerate([x, *maps]):
            before = h.clone()
            assert torch.equal(backbone.suffix(backbone.prefix(x, i), i), maps[-1])
            assert torch.equal(backbone.suffix(h, i), maps[-1])
            assert torch.equal(h, before), "a stage wrote into its input"
        embedding = backbone.embed(x)
        theirs = whole.forward_head(whole.forward_features(x), pre_logits=True).flatten(1)
        assert torch.equal(embedding, theirs)
        assert embedding.shape == (2, backbone.info.embed_dim)
        # The classifier sees our embedding: the logits are timm's own.
        classifier = whole.get_classifier()
        pooled = embedding[:, :, None, None] if isinstance(classifier, torch.nn.Conv2d) else embedding
        assert torch.equal(classifier(pooled).flatten(1), whole(x))
    last = whole.feature_info[-1]
    assert (last["num_chs"], last["reduction"]) == (backbone.info.stages[-1].channels, REDUCTIONS[arch][-1])


@pytest.mark.parametrize("arch", ["resnet18", "efficientnet_b0", "inception_v3"])
def test_build__feature_maps_are_timms(arch: str, source: TimmSource) -> None:
    taps = timm.create_model(arch, features_only=True)
    info = source.build(arch).info.stages
    assert [stage.channels for stage in info] == taps.feature_info.channels()
    assert [stage.reduction for stage in info] == taps.feature_info.reduction()


def test_check__family_of_the_index() -> None:
    assert check("resnet18", size=64) is None


def test_cut_of__embedding_keeps_the_pretrained_layers_behind_the_features() -> None:
    for arch, features, embedding in [("mobilenetv3_large_100", 960, 1280), ("vgg19", 512, 4096)]:
        info = cut_of(arch).info
        assert (info.stages[-1].channels, info.embed_dim) == (features, embedding)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("arch", ["resnet18", "mobilenetv3_small_050"])
def test_build__other_channels(arch: str, channels: int, source: TimmSource) -> None:
    backbone = source.build(arch, channels=channels).eval()
    assert backbone.preprocess.channels == channels
    assert backbone.embed(torch.randn(1, channels, 64, 64)).shape == (1, backbone.info.embed_dim)


@pytest.mark.parametrize(
    ("arch", "reason"),
    [
        ("hrnet_w18_small", "'transition1' does not take the output of what is defined before it"),
        ("vit_tiny_patch16_224", "it takes images of one size only"),
        ("selecsls42", "gives list, not one tensor"),
        ("reznet18", "timm has no architecture 'reznet18': did you mean 'resnet18'?"),
        ("resnet18.nonsense", "timm has no weights 'resnet18.nonsense'"),
    ],
)
def test_build__refusals_say_why(arch: str, reason: str, source: TimmSource) -> None:
    with pytest.raises(WeightsError) as caught:
        source.build(arch)
    assert reason in str(caught.value)


def test_build__beyond_the_index_is_compared_with_timms_own(
    source: TimmSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimmSource, "names", lambda self: ())
    assert source.build("resnet18").info.embed_dim == 512
    monkeypatch.setattr("graft.backbones.timm_source.differs", lambda *args, **kwargs: "it is another network")
    with pytest.raises(WeightsError, match="'resnet18' cannot be cut into stages: it is another network"):
        source.build("resnet18")


def test_pretrained__what_timm_records(source: TimmSource) -> None:
    info = source.pretrained("resnet50.a1_in1k")
    assert info is not None
    assert (info.name, info.licence, info.origin) == ("resnet50.a1_in1k", "apache-2.0", "hf-hub:timm/resnet50.a1_in1k")
    assert info.preprocess.size == (288, 288)
    assert info.preprocess.interpolation == "bicubic"
    inception = source.pretrained("inception_v3.tf_in1k")
    assert inception is not None
    assert inception.preprocess.mean == (0.5, 0.5, 0.5)
    assert "resnet50.a1_in1k" in source.tagged("resnet50")


def test_pretrained__architecture_without_weights(source: TimmSource) -> None:
    bare = next(arch for arch in read_index(INDEX) if not timm.list_pretrained(arch + ".*"))
    assert source.pretrained(bare) is None
    with pytest.raises(WeightsError, match="timm has no weights for"):
        source.fetch(bare)


def test_convert__older_spelling_goes_through_timms_filter(source: TimmSource) -> None:
    with torch.device("meta"):
        whole = timm.create_model("vgg11", num_classes=1000).state_dict()
    old = {name.replace("head.fc", "classifier.6"): tensor for name, tensor in whole.items()}
    for layer, linear in [("fc1", "classifier.0"), ("fc2", "classifier.3")]:
        weight = old.pop(f"pre_logits.{layer}.weight")
        old[f"{linear}.weight"] = weight.flatten(1)
        old[f"{linear}.bias"] = old.pop(f"pre_logits.{layer}.bias")
    assert source.convert("vgg11", old).keys() >= set(cut_of("vgg11").names.values())


def test_names__holds_what_the_issue_asks_for(source: TimmSource) -> None:
    names = set(source.names())
    assert names >= {
        *("resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
        *("inception_v3", "inception_v4", "inception_resnet_v2", "mobilenetv2_100"),
        *("mobilenetv3_small_100", "mobilenetv3_large_100", "efficientnet_b0", "efficientnet_b4"),
        *("tf_efficientnetv2_s", "convnext_tiny", "convnextv2_tiny", "densenet121", "regnety_016"),
    }
    assert not names - set(timm.list_models())
    assert list(source.names()) == sorted(names)
