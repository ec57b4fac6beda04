"""Trainings from cached activations are those without a cache, to the last bit; only what is calculated differs."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graft.console import Console
from graft.data.dataset import ImageDataset
from graft.data.sampler import EpochSampler
from graft.data.samples import Sample
from graft.data.store import PixelStore
from graft.engine import _module
from graft.engine.train import train
from graft.errors import RecipeError
from graft.features import cache
from graft.features.prefix import Prefixing, PrefixLoader, frozen_depth
from graft.model import Activations, Model
from graft.plugins import Plugins
from graft.recipe import load_recipe
from graft.runs.folder import Run
from graft.sequences import Sequences
from moves import write_moves
from shades import QUICK, shades_plugins, small_model, write_shades

EPOCHS = 5
BATCH = 5
"""Does not divide the numbers of images, in training or in validation."""

STRATEGIES: dict[str, tuple[str, ...]] = {
    "none": ("strategy.unfreeze=none",),
    "last stage": ("strategy.unfreeze={kind='from', stage=-1}",),
    "gradual": ("strategy.unfreeze={kind='gradual', every=2}",),
    "head-then-all": ("strategy.unfreeze={kind='head-then-all', head=0.5}",),
    "all": ("strategy.unfreeze=all",),
}
REGULARISED: dict[str, tuple[str, ...]] = {
    "mixup": ("strategy.regularise.mixup=0.4",),
    "ema": ("strategy.regularise.ema=0.9",),
    "sam": ("strategy.regularise.sam=0.05",),
    "balanced": ("strategy.regularise.sampling=balanced",),
    "accumulate": ("train.accumulate=2",),
    "norm": ("strategy.norm=freeze",),
    "fixed views": ("augment=none",),
    "one view": ("cache.views=1",),
    "bf16": ("train.precision=bf16",),
    "channels last": ("speed.channels_last=true",),
}


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return shades_plugins()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shades(tmp_path_factory.mktemp("shades") / "pictures")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(
    plugins: Plugins, pictures: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    monkeypatch.setattr("graft.engine._finish.write_report", lambda run, _: run.path / "report.html")

    def carry_out(*overrides: str, console: Console | None = None, data: Path = pictures) -> Run:
        base = {**QUICK, "data.train": str(data), "train.epochs": EPOCHS, "train.batch": BATCH}
        recipe = load_recipe(None, base=base, overrides=overrides, plugins=plugins)
        return train(recipe, plugins=plugins, out=tmp_path / "runs", console=console or Console(quiet=True))

    return carry_out


@pytest.fixture
def calculated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The depth and the number of images of each calculation of a prefix."""
    calls: list[tuple[int, int]] = []
    real = Model.prefix

    def prefix(self: Model, images: Tensor, upto: int) -> tuple[Tensor, ...]:
        calls.append((upto, len(images)))
        return real(self, images, upto)

    monkeypatch.setattr(Model, "prefix", prefix)
    return calls


def outcome(run: Run) -> tuple[Any, ...]:
    """The weights of the best epoch, and what every epoch came to."""
    rows = [(row["train.loss"], row["val.loss"], row["val.hits"]) for row in run.history]
    return run.results["weights_sha256"], rows


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_with_a_cold_cache_a_warm_one_and_none(
    run: Callable[..., Run], calculated: list[tuple[int, int]], strategy: str
) -> None:
    without = run(*STRATEGIES[strategy], "cache.limit=0")
    every_time = len(calculated)
    calculated.clear()
    cold = run(*STRATEGIES[strategy])
    once = len(calculated)
    calculated.clear()
    warm = run(*STRATEGIES[strategy])

    assert outcome(without) == outcome(cold) == outcome(warm)
    assert calculated == []
    if strategy == "all":
        assert every_time == once == 0
    else:
        assert 0 < once < every_time


@pytest.mark.parametrize("how", REGULARISED)
def test_the_same_however_it_is_trained(run: Callable[..., Run], how: str) -> None:
    words = (*STRATEGIES["gradual"], *REGULARISED[how])

    assert outcome(run(*words, "cache.limit=0")) == outcome(run(*words)) == outcome(run(*words))


@pytest.mark.parametrize("arch", ["resnet18", "mobilenetv3_small_050", "efficientnet_b0"])
def test_the_same_on_real_networks(run: Callable[..., Run], arch: str) -> None:
    words = (
        f"backbone={{kind='timm:{arch}', weights='none', size=32}}",
        "strategy.unfreeze={kind='gradual', every=1}",
        "train.epochs=3",
    )

    assert outcome(run(*words, "cache.limit=0")) == outcome(run(*words)) == outcome(run(*words))


def test_the_same_as_without_any_views_where_there_is_but_one(run: Callable[..., Run]) -> None:
    """Of images that are cut from the centre there is one view: training is as it always was."""
    words = (*STRATEGIES["last stage"], "augment=none")

    assert outcome(run(*words, "cache.views=0")) == outcome(run(*words))


def test_other_views_are_another_training(run: Callable[..., Run]) -> None:
    new, one, two = (outcome(run(*STRATEGIES["none"], f"cache.views={views}")) for views in (0, 1, 2))

    assert new != one != two != new


def test_each_view_is_calculated_once(run: Callable[..., Run], calculated: list[tuple[int, int]]) -> None:
    finished = run(*STRATEGIES["none"], "cache.views=2")

    split = Counter(line.rsplit(",", 3)[1] for line in (finished.path / "split.csv").read_text().splitlines()[1:])
    # Full batches of training images; validation has one view, and its last batch is filled up.
    train, val = split["train"] // BATCH, -(-split["val"] // min(BATCH, split["val"]))
    in_an_epoch = train * BATCH
    assert len(calculated) >= 2 * train + val
    # What an epoch's last batch leaves out differs: the few images that come later are calculated then.
    assert sum(number for _, number in calculated) <= 2 * (in_an_epoch + BATCH) + 2 * BATCH + BATCH * EPOCHS


def test_gradual_uses_what_is_still_frozen(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    depths: list[int] = []
    real = PrefixLoader.begin_at

    def begin_at(self: PrefixLoader, depth: int) -> None:
        depths.append(depth)
        real(self, depth)

    monkeypatch.setattr(PrefixLoader, "begin_at", begin_at)
    run(*STRATEGIES["gradual"])

    # For two loaders, before Lightning begins and at each epoch: both stages and the tail, the stem, nothing.
    assert depths[::2] == depths[1::2] == [3, 3, 3, 1, 1, 0]


@pytest.mark.parametrize(
    ("words", "depth"), [((), 3), (("strategy.norm=statistics",), 0), (("strategy.norm=train",), 0)]
)
def test_norms_that_look_at_the_batch_are_not_cached(
    run: Callable[..., Run], calculated: list[tuple[int, int]], words: tuple[str, ...], depth: int
) -> None:
    run(*STRATEGIES["none"], *words)

    assert {upto for upto, _ in calculated} == ({depth} if depth else set())


def test_images_that_are_cut_and_pasted_are_not_cached(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[type] = []
    real = _module.training_loss

    def training_loss(model: Model, batch: Any, regularise: Any) -> Tensor:
        seen.append(type(batch.images))
        return real(model, batch, regularise)

    monkeypatch.setattr(_module, "training_loss", training_loss)
    run(*STRATEGIES["none"], "strategy.regularise.cutmix=1.0", "train.epochs=1")
    assert set(seen) == {Tensor}
    seen.clear()
    run(*STRATEGIES["none"], "train.epochs=1")
    assert set(seen) == {Activations}


def test_a_damaged_cache_is_calculated_again(run: Callable[..., Run], home: Path) -> None:
    first = run(*STRATEGIES["none"])
    for shard in home.rglob("*.safetensors"):
        content = bytearray(shard.read_bytes())
        content[-3] ^= 1
        shard.write_bytes(content)
    console = Console(quiet=True)
    second = run(*STRATEGIES["none"], console=console)

    assert outcome(second) == outcome(first)
    assert any("damaged" in warning for warning in console.warnings)


def test_a_full_cache_is_said_once_and_changes_nothing(run: Callable[..., Run]) -> None:
    words = STRATEGIES["last stage"]
    console = Console(quiet=True)
    limited = run(*words, "cache.limit=0.01MB", console=console)

    assert outcome(limited) == outcome(run(*words))
    assert sum("cache" in warning for warning in console.warnings) <= 2  # one for each of the two loaders


def test_copies_of_an_image_in_one_batch(run: Callable[..., Run], tmp_path: Path) -> None:
    copies = write_shades(tmp_path / "copies")
    for path in sorted(copies.rglob("*.png")):
        for number in range(3):
            shutil.copy(path, path.with_name(f"{path.stem}-{number}.png"))
    words = (*STRATEGIES["gradual"], "augment=none", "train.epochs=2", "data.split=random")

    without = run(*words, "cache.limit=0", data=copies)
    assert outcome(without) == outcome(run(*words, data=copies)) == outcome(run(*words, data=copies))


def test_a_run_with_other_weights_shares_nothing(run: Callable[..., Run], calculated: list[tuple[int, int]]) -> None:
    run(*STRATEGIES["none"])
    spaces = len(cache.spaces())
    calculated.clear()
    run(*STRATEGIES["none"], "train.seed=1")  # random weights are another seed's

    assert calculated
    assert len(cache.spaces()) == 2 * spaces


def test_a_dry_run_caches_nothing(plugins: Plugins, pictures: Path, home: Path) -> None:
    from graft.engine.train import dry_run

    base = {**QUICK, "data.train": str(pictures), "strategy.unfreeze": "none"}
    dry_run(load_recipe(None, base=base, plugins=plugins), plugins=plugins, console=Console(quiet=True))

    assert not home.exists()


def test_the_frozen_beginning_ends_with_what_learns_or_looks_at_the_batch() -> None:
    model = small_model().eval()
    model.requires_grad_(False)
    assert frozen_depth(model) == model.depth == 3
    model.backbone.tail.train()
    assert frozen_depth(model) == 2
    model.backbone.stages[1][0].bias.requires_grad_(True)
    assert frozen_depth(model) == 1
    model.backbone.stages[0][1].train()
    assert frozen_depth(model) == 0


@pytest.mark.parametrize("upto", range(4))
def test_a_model_goes_on_from_its_prefix(upto: int) -> None:
    model = small_model().eval()
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    given = Activations(model.prefix(images, upto), upto, (16, 16))

    assert torch.equal(model(given), model(images))


@pytest.mark.parametrize("upto", range(3))
def test_a_head_on_a_pyramid_goes_on_from_all_maps(upto: int) -> None:
    class Sum(torch.nn.Module):
        def forward(self, features: Any, image_size: tuple[int, int]) -> Tensor:
            assert image_size == (16, 16)
            return torch.cat([maps.sum(dim=(2, 3)) for maps in features.pyramid], dim=1)

    model = Model(small_model().backbone, Sum(), "pyramid").eval()  # type: ignore[arg-type]
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    parts = model.prefix(images, upto)

    assert len(parts) == max(1, upto)
    assert torch.equal(model(Activations(parts, upto, (16, 16))), model(images))


# Sequences.

SEQUENCES = ("data.reader.kind=sequences", "train.batch=4")


@pytest.fixture(scope="module")
def moves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moves(tmp_path_factory.mktemp("moves") / "clips", per_class=9)


@pytest.mark.parametrize("head", ["plain", "steps"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sequences__the_same_with_a_cold_cache_a_warm_one_and_none(
    run: Callable[..., Run], calculated: list[tuple[int, int]], moves: Path, strategy: str, head: str
) -> None:
    words = (*STRATEGIES[strategy], *SEQUENCES, f"head={head}")
    without = run(*words, "cache.limit=0", data=moves)
    every_time = len(calculated)
    calculated.clear()
    cold = run(*words, data=moves)
    once = len(calculated)
    calculated.clear()
    warm = run(*words, data=moves)

    assert outcome(without) == outcome(cold) == outcome(warm)
    assert calculated == []
    assert (once < every_time) if strategy != "all" else (once == every_time == 0)


def test_sequences__rows_are_the_frames_in_their_order_and_full_batches_are_calculated(
    moves: Path, calculated: list[tuple[int, int]]
) -> None:
    model = small_model().eval().requires_grad_(False)
    frames = [
        sorted(clip.iterdir())[:length]
        for clip, length in zip(sorted(moves.glob("*/*")), (4, 3, 1, 2, 4, 3), strict=False)
    ]
    samples = [Sample(id=str(n), path=own[0], target=None, frames=tuple(own)) for n, own in enumerate(frames)]
    dataset = ImageDataset(samples, range(6), store=PixelStore(model.backbone.preprocess), task_collate=torch.tensor)
    digests = {path: str(path) for own in frames for path in own}
    prefixing = Prefixing(
        model=model, digests=digests, views=1, limit=0, precision="fp32", details={}, warn=lambda _: None
    )
    options = {"batch": 4, "drop_last": False, "workers": 0, "pin_memory": False, "prefixing": prefixing}
    loader = PrefixLoader(dataset, EpochSampler(6, seed=0, shuffle=True), **options)
    loader.begin_at(model.depth)
    batches = list(loader)

    assert calculated == [(3, 4)] * 5, "17 frames"
    calculated.clear()
    assert [len(batch) for batch in batches] == [4, 2]
    for batch in batches:
        assert isinstance(batch.images, Activations)
        direct = dataset.batch([(0, index, 0) for index in batch.indices.tolist()])
        assert isinstance(direct.images, Sequences)
        assert direct.images.lengths == batch.images.lengths
        torch.testing.assert_close(batch.images.parts, model.prefix(direct.images.frames, 3))
        assert torch.equal(batch.targets, batch.indices)


def test_sequences__a_frame_of_several_is_calculated_once(
    run: Callable[..., Run], calculated: list[tuple[int, int]], moves: Path, tmp_path: Path
) -> None:
    """Windows of three frames of each clip, which overlap: the cache knows frames, not sequences."""
    rows = []
    for clip in sorted(moves.glob("*/*")):
        name, frames = f"{clip.parent.name} {clip.name}", sorted(clip.glob("*.png"))
        for first in range(len(frames) - 2):
            rows += [f"{name} {first},{path},{clip.parent.name},{name}" for path in frames[first : first + 3]]
    table = tmp_path / "windows.csv"
    table.write_text("\n".join(["sequence,frame,label,group", *rows]) + "\n")
    run(*STRATEGIES["none"], "train.batch=4", "head=steps", "augment=none", data=table)

    frames = sum(1 for _ in moves.rglob("*.png"))
    assert sum(number for _, number in calculated) <= frames + 4 * EPOCHS + 4 < len(rows)


def test_sequences__cannot_be_mixed(run: Callable[..., Run], moves: Path) -> None:
    mixes = ("strategy.regularise.mixup=0.2", "strategy.regularise.cutmix=1.0")
    with pytest.raises(RecipeError) as error:
        run(*SEQUENCES, *mixes, data=moves)
    assert [problem.where for problem in error.value.problems] == [word.split("=")[0] for word in mixes]


@pytest.mark.parametrize(
    "words",
    [
        ("head=nearest", "train.epochs=1"),
        ("strategy.unfreeze=auto",),
        ("train.batch=auto",),
        ("train.budget=3s",),
        ("train.accumulate=2",),
        ("strategy.regularise.sam=0.05",),
        ("train.precision=bf16", "head=steps"),
        ("strategy.regularise.sampling=balanced", "strategy.regularise.ema=0.9"),
        ("train.workers=1", "strategy.unfreeze=none", "head=steps"),
    ],
    ids=str,
)
def test_sequences__go_with_whatever_images_go_with(
    run: Callable[..., Run], moves: Path, words: tuple[str, ...]
) -> None:
    assert run(*SEQUENCES, "train.epochs=2", *words, data=moves).status == "finished"
