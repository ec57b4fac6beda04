"""Each part of a strategy acts: a run with it ends with other weights than one without."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from graft.data.batch import Batch
from graft.engine._checkpoint import Checkpoints
from graft.engine._module import Learner
from graft.errors import RecipeError
from graft.runs.folder import Run
from shades import Source, Train, write_shades


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An override that takes the weights of a file."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "bits.safetensors"
    save_file(Source().build("bits").state_dict(), path)
    return f"backbone.weights={path}"


def weights(run: Run) -> str:
    return str(run.results["weights_sha256"])


@pytest.mark.parametrize(
    "regulariser",
    [
        "weight_decay=0.5",
        "l2_sp=5.0",
        "mixup=0.4",
        "cutmix=1.0",
        "ema=0.9",
        "sam=0.05",
    ],
)
def test_regularisers__act(regulariser: str, train: Train, pretrained: str, pictures: Path) -> None:
    plain, regularised = train(pretrained), train(pretrained, f"strategy.regularise.{regulariser}")
    assert weights(plain) != weights(regularised)


def test_clip__acts(train: Train) -> None:
    sgd = ("strategy.pace.optimizer=sgd", "strategy.pace.lr=0.1")
    assert weights(train(*sgd, "train.clip=0")) != weights(train(*sgd, "train.clip=0.01"))


@pytest.fixture
def uneven(tmp_path: Path) -> str:
    """An override that takes twenty pictures of one class and five of the other."""
    root = write_shades(tmp_path / "uneven", per_class=20)
    for path in sorted((root / "light").iterdir())[5:]:
        path.unlink()
    return f"data.train={root}"


@pytest.mark.parametrize("sampling", ["balanced", "repeat-factor"])
def test_sampling__shows_the_rare_class_more_often(
    sampling: str, train: Train, uneven: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: Counter[int] = Counter()
    step = Learner.training_step

    def counted(learner: Learner, batch: Batch, batch_idx: int) -> Tensor:
        shown.update(batch.targets.tolist())
        return step(learner, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", counted)
    weights_of_all = {weights(train(uneven, "train.epochs=6", "train.batch=2"))}
    natural, _ = shown.copy(), shown.clear()
    weights_of_all.add(
        weights(train(uneven, "train.epochs=6", "train.batch=2", f"strategy.regularise.sampling={sampling}"))
    )
    assert len(weights_of_all) == 2
    # 14 and 3 images are trained on.
    assert natural[0] / natural[1] == pytest.approx(14 / 3, rel=0.25)
    if sampling == "balanced":
        assert shown[0] / shown[1] == pytest.approx(1, rel=0.15)
        assert shown.total() == natural.total(), "epochs are as long as before"
    else:
        assert shown[0] == pytest.approx(natural[0], rel=0.15), "nothing is left out"
        assert shown[1] / natural[1] == pytest.approx((17 / (2 * 3)) ** 0.5, rel=0.25)


def test_stochastic_depth__acts(train: Train) -> None:
    network = ("backbone.kind=graft:tiny", "backbone.weights=none", "backbone.size=32")
    deep = train(*network, "strategy.regularise.stochastic_depth=0.5")
    assert weights(train(*network)) != weights(deep)


def test_stochastic_depth__where_there_are_no_blocks_is_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="stochastic_depth"):
        train("strategy.regularise.stochastic_depth=0.5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "schedule",
    ["constant", "step", "exponential", "one-cycle", "triangular", "triangular2", "polynomial"],
)
def test_schedules__act(schedule: str, train: Train) -> None:
    assert weights(train()) != weights(train(f"strategy.pace.schedule={schedule}"))


@pytest.mark.parametrize("optimizer", ["adam", "radam", "sgd", "lamb", "lars", "lion"])
def test_optimizers__act(optimizer: str, train: Train) -> None:
    assert weights(train()) != weights(train(f"strategy.pace.optimizer={optimizer}"))


def test_plateau__rate_falls_when_the_value_does_not_rise(train: Train) -> None:
    run = train(
        "train.epochs=8", "strategy.pace.schedule={kind='plateau', patience=1, factor=0.5}", "strategy.pace.lr=1e-9"
    )
    rates = [row["lr.head"] for row in run.history]
    values = [row["val.hits"] for row in run.history]
    assert values == [values[0]] * 8, "nothing is learnt at this rate"
    peak = rates[1]
    assert rates[1:] == pytest.approx([peak, peak, peak / 2, peak / 2, peak / 4, peak / 4, peak / 8])


def test_l2_sp__keeps_the_backbone_near_to_the_pretrained_weights(train: Train, pretrained: str) -> None:
    distances = []
    for strength in ("0", "200"):
        run = train(pretrained, f"strategy.regularise.l2_sp={strength}", "strategy.pace.schedule=constant")
        after = Checkpoints(run.checkpoints).best().weights
        torch.manual_seed(5)
        before = Source().build("bits").state_dict()
        names = [name for name, tensor in before.items() if tensor.ndim > 1]
        distances.append(sum(float((after[f"backbone.{name}"] - before[name]).norm()) for name in names))
    assert distances[1] < 0.5 * distances[0]


def test_ema__what_is_kept_and_measured_is_the_average(train: Train) -> None:
    run = train("strategy.regularise.ema=0.99", "train.patience=50")
    best = Checkpoints(run.checkpoints).best()
    assert best.average is not None
    assert any(not torch.equal(best.model[name], best.average[name]) for name in best.model)
    assert best.weights is best.average
    measured = run.evaluate(split="val")["hits"].value
    assert measured == pytest.approx(run.results["metrics"]["val"]["hits"]["value"])


def test_ema__changes_what_is_validated_and_not_what_is_trained(train: Train) -> None:
    plain, averaged = train().history, train("strategy.regularise.ema=0.99").history
    assert [row["train.loss"] for row in averaged] == [row["train.loss"] for row in plain]
    assert [row["val.loss"] for row in averaged] != pytest.approx([row["val.loss"] for row in plain])


def test_ema__frozen_parts_stay_equal_to_the_last_bit(train: Train, pretrained: str) -> None:
    run = train(pretrained, "strategy.regularise.ema=0.9", "strategy.unfreeze=none")
    after = Checkpoints(run.checkpoints).best().weights
    torch.manual_seed(5)
    for name, tensor in Source().build("bits").state_dict().items():
        assert torch.equal(after[f"backbone.{name}"], tensor), name


def test_sam__counts_a_batch_once(train: Train) -> None:
    plain, sharp = train(), train("strategy.regularise.sam=0.05")
    assert [row["epoch"] for row in sharp.history] == [1, 2, 3]
    assert sharp.history[0]["train.loss"] == pytest.approx(plain.history[0]["train.loss"], rel=0.3)
    norms = [
        Checkpoints(run.checkpoints).best().model["backbone.stages.0.1.num_batches_tracked"] for run in (plain, sharp)
    ]
    assert norms[0] == norms[1], "norms remember a batch once"


def test_norm__statistics_of_the_new_images_in_a_frozen_backbone(train: Train, pretrained: str) -> None:
    torch.manual_seed(5)
    before = Source().build("bits").state_dict()
    run = train(pretrained, "strategy.unfreeze=none", "strategy.norm=statistics")
    after = Checkpoints(run.checkpoints).best().weights
    for name, tensor in before.items():
        statistic = "running" in name or "num_batches" in name
        assert torch.equal(after[f"backbone.{name}"], tensor) is not statistic, name


def test_norm__frozen_in_a_backbone_that_trains(train: Train, pretrained: str) -> None:
    torch.manual_seed(5)
    before = Source().build("bits").state_dict()
    after = Checkpoints(train(pretrained, "strategy.norm=freeze").checkpoints).best().weights
    for name, tensor in before.items():
        norm = name.startswith(("0.1.", "stages.0.1.", "stages.1.1."))
        assert torch.equal(after[f"backbone.{name}"], tensor) is norm, name


def test_learner__refuses_a_stage_that_there_is_not(train: Train) -> None:
    with pytest.raises(RecipeError, match="stem, stage1"):
        train("strategy.unfreeze={kind='from', stage='layer4'}")
