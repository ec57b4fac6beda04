from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from graft.backbones import BackboneInfo, StageInfo
from graft.errors import PluginError
from graft.plugins import HeadSpec
from graft.recipe import Options
from graft.tasks import Features, FittedHead, Head
from graft.tasks.fitted import check_fitted
from shades import Nearest, Plain, Shades

INFO = BackboneInfo(stages=(StageInfo(name="stem", channels=4, reduction=2),), embed_dim=6)
CLASSES = ("dark", "light")


def build(kind: type[Head] = Nearest) -> Head:
    return kind(info=INFO, classes=CLASSES, options=Options(), task=Shades(classes=CLASSES, options=Options()))


def fitted(n: int = 9) -> FittedHead:
    head = build()
    assert isinstance(head, FittedHead)
    x = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
    head.fit(x, [i % 2 for i in range(n)], seed=0, groups=None)
    return head


def features(n: int = 5) -> Features:
    return Features(embedding=torch.randn(n, 6, generator=torch.Generator().manual_seed(1)))


def test_forward__answers_to_what_it_describes() -> None:
    head, given = fitted(), features()
    assert given.embedding is not None
    assert torch.equal(head(given, (8, 8)), head.answer(given.embedding))


def test_describe__a_pyramid_needs_words_of_its_own() -> None:
    with pytest.raises(ValueError, match="how it describes"):
        build().describe(Features(pyramid=(torch.zeros(1, 4, 2, 2),)))  # type: ignore[union-attr]


@pytest.mark.parametrize("prefix", ["", "head."])
def test_load_state_dict__takes_the_shapes_that_the_data_decided(prefix: str) -> None:
    head, other = fitted(9), build()
    whole = torch.nn.ModuleDict({"head": other}) if prefix else other
    whole.load_state_dict({f"{prefix}{name}": tensor for name, tensor in head.state_dict().items()})
    assert torch.equal(other(features(), (8, 8)), head(features(), (8, 8)))


def test_make_room__of_another_model_says_so_when_it_is_loaded() -> None:
    head = build()
    with pytest.raises(RuntimeError, match="size mismatch for kept"):
        head.load_state_dict({"kept": torch.zeros(3), "shades": torch.zeros(3, 2)})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*more"):
        head.load_state_dict({**build().state_dict(), "more": torch.zeros(3), "no.module": torch.zeros(1)})


def test_make_room__of_a_copy_is_the_copys() -> None:
    head = build()
    twin = copy.deepcopy(head)
    twin.load_state_dict(fitted(7).state_dict())
    assert (len(twin.kept), len(head.kept)) == (7, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "says", "words"), [(Nearest, False, "write fitted=True"), (Plain, True, "leave it out")]
)
def test_check_fitted__class_and_descriptor_say_the_same(kind: type[Head], says: bool, words: str) -> None:
    tasks: Sequence[str] = ("shades",)
    spec = HeadSpec(name="x", summary="X.", target="a:B", tasks=tuple(tasks), needs="embedding", fitted=says)
    with pytest.raises(PluginError, match=words):
        check_fitted(spec, build(kind))
