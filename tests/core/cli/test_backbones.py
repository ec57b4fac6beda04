from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from graft.backbones.names import read_index
from graft.preprocess import Preprocess
from graft.testing.commands import Graft

ARCH = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture
def file(work: Path) -> Path:
    """Weights without the last convolution and the classifier."""
    from torchvision.models import shufflenet_v2_x0_5

    state = shufflenet_v2_x0_5().state_dict()
    torch.save({k: v for k, v in state.items() if not k.startswith(("conv5", "fc"))}, work / "shuffle.pth")
    return work / "shuffle.pth"


def imported(graft: Graft, file: Path, *more: str) -> None:
    options = ("--name", "shuffle", "--arch", ARCH, "--upto", "stage4", "--mean", "0", "--std", "1")
    result = graft("backbones", "import", file, *options, *more)
    assert result.code == 0, result.err


def test_list__one_name_per_line_and_the_shadowed_ones_in_full(graft: Graft) -> None:
    lines = graft("backbones", "list").out.splitlines()
    assert {"tiny", "resnet50", "torchvision:resnet50", "mobilenet_v2"} <= set(lines)
    assert graft("backbones", "list", "resnet1*").out.splitlines()[0].startswith("resnet1")
    assert "shufflenet_v2_x1_0" in graft("backbones", "list", "shuffle").out.splitlines()
    only = graft("backbones", "list", "--source", "torchvision").out.splitlines()
    assert only == list(read_index("graft.backbones:torchvision.txt"))


def test_list__json(graft: Graft, file: Path) -> None:
    imported(graft, file, "--licence", "bsd-3-clause")
    document = json.loads(graft("backbones", "list", "shuffle*", "--json").out)
    assert document["architectures"]["timm"] == []
    assert document["architectures"]["torchvision"][0] == "shufflenet_v2_x0_5"
    (one,) = document["imported"]
    assert (one["name"], one["architecture"], one["upto"], one["licence"]) == (
        "shuffle",
        ARCH,
        "stage4",
        "bsd-3-clause",
    )


def test_list__nothing_matches(graft: Graft) -> None:
    result = graft("backbones", "list", "reznet50")
    assert result.code == 2
    assert "no backbone matches 'reznet50': did you mean 'resnet50'?" in result.err
    assert graft("backbones", "list", "--source", "tim").code == 2


def test_info__stages_embedding_and_weights(graft: Graft, file: Path) -> None:
    imported(graft, file)
    result = graft("backbones", "info", ARCH)
    assert result.code == 0
    rows = [line.split() for line in result.out.splitlines()]
    assert ["stem", "24", "2", "696"] in rows
    assert ["stage1", "24", "4", "0"] in rows
    assert any(row[:2] == ["pooled", "1024"] for row in rows)
    assert "shufflenet_v2_x0_5.IMAGENET1K_V1  licence not recorded  to be downloaded  https://" in result.out
    assert "imported from shuffle.pth" in result.out


def test_info__of_imported_weights_is_of_what_they_are_for(graft: Graft, file: Path) -> None:
    imported(graft, file)
    assert graft("backbones", "info", "shuffle").out == graft("backbones", "info", ARCH).out
    assert graft("backbones", "info", "shufle").code == 2


def test_info__json(graft: Graft) -> None:
    document = json.loads(graft("backbones", "info", "tiny", "--json").out)
    assert document["architecture"] == "graft:tiny"
    assert document["stages"][0]["name"] == "stem"
    (weights,) = document["weights"]
    assert weights["cached"] is True
    assert weights["licence"]
    assert document["embedding"] > 0


def test_info__warns_of_what_may_not_be_sold(graft: Graft) -> None:
    result = graft("backbones", "info", "resnet18")
    assert "cc-by-nc-4.0: these weights may not be used commercially" in result.err


def test_info__mistakes(graft: Graft) -> None:
    assert "did you mean 'resnet18'?" in graft("backbones", "info", "resnet188").err
    result = graft("backbones", "info", "timm:hrnet_w18_small")
    assert result.code == 2
    assert "cannot be cut into stages: 'transition1'" in result.err


def test_import__keeps_what_was_said_of_the_weights(graft: Graft, file: Path, work: Path) -> None:
    imported(graft, file, "--size", "96", "--crop", "1", "--channel-order", "bgr")
    about = json.loads((work / "home/weights/shuffle/weights.json").read_text("utf-8"))
    preprocess = Preprocess.from_json(about["preprocess"])
    assert (preprocess.mean, preprocess.std) == ((0.0,) * 3, (1.0,) * 3)
    assert (preprocess.size, preprocess.crop, preprocess.channel_order) == ((96, 96), 1.0, "bgr")


def test_import__says_what_to_type_next(graft: Graft, file: Path) -> None:
    result = graft("backbones", "import", file, "--name", "s", "--arch", ARCH, "--upto", "stage4")
    assert "330 tensors loaded" in result.err
    assert f"backbone.kind={ARCH} backbone.weights=s backbone.upto=stage4" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), 'the file holds the stages up to stage4: write backbone.upto = "stage4"'),
        (("--upto", "stage7"), "has no stage 'stage7'"),
        (("--mean", "half"), "--mean: 'half' is not one number"),
        (("--mean", "x", "--std", "0"), "--std: '0' is not above zero"),
        (("--channel-order", "gbr"), "--channel-order: 'gbr' is neither rgb nor bgr"),
        (("--upto", "stage4", "--mean", "0.5,0.5"), "mean and std are for 2 and 3 channels"),
    ],
)
def test_import__mistakes_store_nothing(
    options: tuple[str, ...], says: str, graft: Graft, file: Path, work: Path
) -> None:
    result = graft("backbones", "import", file, "--name", "s", "--arch", ARCH, *options)
    assert result.code == 2
    assert says in result.err
    assert "Traceback" not in result.err
    assert not (work / "home" / "weights").exists()


def test_remove__then_the_name_is_free(graft: Graft, file: Path) -> None:
    imported(graft, file)
    taken = graft("backbones", "import", file, "--name", "shuffle", "--arch", ARCH)
    assert taken.code == 2
    assert "graft backbones remove shuffle" in taken.err
    assert graft("backbones", "remove", "shuffle").code == 0
    assert graft("backbones", "remove", "shuffle").code == 2
    imported(graft, file)
