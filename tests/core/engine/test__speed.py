from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from graft.backbones.timm_source import TimmSource
from graft.console import Console
from graft.data.batch import Batch
from graft.engine import _speed
from graft.engine._choose import make_choices
from graft.engine._setup import Experiment, set_up
from graft.engine._speed import arrange, fastest, has_bf16
from graft.engine._trial import Trial, autocast
from graft.model import Model
from graft.plugins import Plugins
from graft.recipe import Options, ResolvedRecipe
from graft.recipe.schema import Speed
from shades import Plain, Shades, Train, small_model

Made = Callable[..., Experiment]

IMAGES = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(8) % 2


@pytest.fixture
def experiment(plugins: Plugins, recipe: Callable[..., ResolvedRecipe]) -> Made:
    def made(*overrides: str) -> Experiment:
        return set_up(recipe("speed=auto", *overrides), plugins=plugins, console=Console(quiet=True))

    return made


def network(arch: str, *, dropout: float = 0.0) -> Model:
    """Return a network by default without dropout, so that two of them can be compared while they train."""
    torch.manual_seed(0)
    if arch == "bits":
        model = small_model()
    else:
        classes = ("dark", "light")
        backbone = TimmSource().build(arch)
        task = Shades(classes=classes, options=Options())
        model = Model(backbone, Plain(info=backbone.info, classes=classes, options=Options(), task=task), "embedding")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model.train()


def outcome(model: Model, precision: str = "fp32") -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, Any]]:
    """Return outputs, gradients and the state dict after one step of training."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with autocast("cpu", precision):
        outputs = model(IMAGES)
        loss = model.head.loss(outputs, TARGETS)["cross_entropy"]
    loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    optimizer.step()
    return outputs.detach().float(), gradients, model.state_dict()


def agree(arch: str, speed: Speed, precision: str, *, outputs: float, gradients: float) -> None:
    """Check one step of training against eager fp32.

    Args:
        arch: The network.
        speed: How the other one is calculated.
        precision: In which precision the other one is calculated.
        outputs: Largest distance between the outputs, and between all weights and statistics after the step, as a share
            of their length.
        gradients: The same between the gradients of all weights.
    """
    plain, other = network(arch), network(arch)
    console = Console(quiet=True)
    arrange(other, speed, console)
    given, found = outcome(plain), outcome(other, precision)
    assert console.warnings == []
    assert list(given[2]) == list(found[2])
    for name, tensor in given[2].items():
        assert tensor.shape == found[2][name].shape
        assert tensor.dtype == found[2][name].dtype, "weights and statistics stay float32"

    def distance(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
        one, two = (torch.cat([tensor.flatten().double() for tensor in tensors]) for tensors in (a, b))
        return float((one - two).norm() / one.norm())

    assert distance([given[0]], [found[0]]) < outputs
    assert distance(list(given[1].values()), list(found[1].values())) < gradients
    assert distance(list(given[2].values()), list(found[2].values())) < outputs


@pytest.mark.parametrize("arch", ["resnet18", "mobilenetv3_small_050", "convnext_atto"])
def test_arrange__channels_last_is_the_same_calculation(arch: str) -> None:
    agree(arch, Speed(channels_last=True), "fp32", outputs=1e-5, gradients=1e-4)
    model = network(arch)
    arrange(model, Speed(channels_last=True), Console(quiet=True))
    kernels = [p for p in model.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("arch", ["resnet18", "convnext_atto"])
def test_arrange__bf16_is_the_same_calculation_roughly(arch: str, channels_last: bool) -> None:
    # Eight bits of mantissa: half a per cent per layer; in random networks batch norms make more of it on the way back.
    agree(arch, Speed(channels_last=channels_last), "bf16", outputs=0.02, gradients=0.25)


def has_compiler() -> bool:
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        return bool(get_cpp_compiler())
    except Exception:
        return False


@pytest.mark.skipif(not has_compiler(), reason="torch.compile needs a C++ compiler")
def test_arrange__compile_is_the_same_calculation() -> None:
    agree("bits", Speed(compile=True), "fp32", outputs=1e-5, gradients=1e-4)
    model = network("bits")
    arrange(model, Speed(compile=True), Console(quiet=True))
    assert all(stage._compiled_call_impl is not None for stage in model.backbone.stages)
    model.backbone.checkpointing = True
    plain = network("bits")
    given, found = outcome(plain), outcome(model)
    for index in (1, 2):
        for name, tensor in given[index].items():
            torch.testing.assert_close(found[index][name], tensor, rtol=1e-3, atol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(IMAGES), plain.eval()(IMAGES), rtol=1e-3, atol=1e-4)
    assert list(copy.deepcopy(model).state_dict()) == list(plain.state_dict())
    # Dropout draws the same numbers, whatever was translated before, and when it is calculated again.
    gradients = []
    for compile, checkpointing in ((False, False), (True, False), (True, True), (True, True)):
        dropping = network("bits", dropout=0.5)
        dropping.backbone.checkpointing = checkpointing
        arrange(dropping, Speed(compile=compile), Console(quiet=True))
        torch.manual_seed(3)
        gradients.append(outcome(dropping)[1])
    for name, gradient in gradients[0].items():
        for other in gradients[1:]:
            torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=1e-5)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("Failed to find C++ compiler.\n\nThe above exception was raised by …")

    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", fail)


def test_arrange__without_a_compiler_it_warns_once_and_goes_on(no_compiler: None) -> None:
    torch.compiler.reset()
    console = Console(quiet=True)
    plain, model = network("bits"), network("bits")
    arrange(model, Speed(compile=True), console)
    given, found = outcome(plain), outcome(model)
    assert console.warnings == [
        "torch.compile does not work here, training goes on without it: Failed to find C++ compiler."
    ]
    torch.testing.assert_close(found[0], given[0])
    with torch.no_grad():
        model.eval()(IMAGES)
    assert len(console.warnings) == 1
    torch.compiler.reset()


def test_arrange__as_given_changes_nothing() -> None:
    model = network("bits")
    strides = [p.stride() for p in model.parameters()]
    arrange(model, Speed(), Console(quiet=True))
    assert [p.stride() for p in model.parameters()] == strides


# --- fastest ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """How long a step of one image takes, by channels_last and precision; compiling takes `compiling` seconds more."""
    taken = {"plain fp32": 0.01, "last fp32": 0.01, "plain bf16": 0.01, "last bf16": 0.01, "compiled": 0.01}
    taken["compiling"] = 60.0

    class Timed(Trial):
        compiled = 0

        def step(self, batch: Batch) -> float:
            first = next(self.model.backbone.parameters())
            last = first.is_contiguous(memory_format=torch.channels_last) and not first.is_contiguous()
            way = f"{'last' if last else 'plain'} {self.precision}"
            if self.model.backbone.stages[0]._compiled_call_impl is None:
                return taken[way] * len(batch)
            self.compiled += 1
            return taken["compiled"] * len(batch) + (taken["compiling"] if self.compiled == 1 else 0)

    monkeypatch.setattr(_speed, "Trial", Timed)
    monkeypatch.setattr(_speed, "has_bf16", lambda device: True)
    return taken


QUIET = Console(quiet=True)


def test_fastest__takes_what_takes_least(seconds: dict[str, float], experiment: Made) -> None:
    given = experiment()
    assert fastest(given, QUIET)[:2] == (Speed(), "fp32"), "as given where nothing is faster"
    seconds["plain bf16"] = 0.0099
    assert fastest(given, QUIET)[:2] == (Speed(), "fp32"), "one per cent is nothing"
    seconds["last bf16"] = 0.008
    assert fastest(given, QUIET)[:2] == (Speed(channels_last=True), "bf16")
    seconds["last fp32"] = 0.005
    speed, precision, why = fastest(given, QUIET)
    assert (speed, precision) == (Speed(channels_last=True), "fp32")
    assert why == (
        "speed channels_last fp32: per image of 4 in a training step, fp32 10 ms; bf16 9.9 ms; "
        "channels_last fp32 5 ms; channels_last bf16 8 ms; "
        "compile is not tried, which pays in runs of more than 30 minutes"
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fastest__keeps_what_was_written(precision: str, seconds: dict[str, float], experiment: Made) -> None:
    seconds |= {"last bf16": 0.001, "plain bf16": 0.0005}
    seconds["last fp32"] = 0.009
    found = fastest(experiment(f"train.precision={precision}", "speed.channels_last=true"), QUIET)
    assert found[:2] == (Speed(channels_last=True), precision)
    kept = fastest(experiment("speed.compile=true", "train.precision=fp32"), QUIET)
    assert kept[0] == Speed(channels_last=True, compile=True)
    assert "compile as given" in kept[2]


def test_fastest__no_bf16_where_it_is_only_pretended(
    seconds: dict[str, float], experiment: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_speed, "has_bf16", lambda device: False)
    seconds |= {"last bf16": 0.001, "plain bf16": 0.001}
    assert fastest(experiment(), QUIET)[:2] == (Speed(), "fp32")


@pytest.mark.parametrize(
    ("compiled", "compiling", "budget", "pays"),
    [
        (0.008, 60.0, "1h", True),
        (0.008, 60.0, "20m", False),  # not even tried
        (0.008, 600.0, "1h", False),  # a fifth of an hour is less than twice ten minutes
        (0.0098, 60.0, "9h", False),
        (0.02, 60.0, "9h", False),
    ],
)
def test_fastest__compiles_where_it_pays(
    compiled: float, compiling: float, budget: str, pays: bool, seconds: dict[str, float], experiment: Made
) -> None:
    seconds |= {"compiled": compiled, "compiling": compiling}
    speed, _, why = fastest(experiment(f"train.budget={budget}"), QUIET)
    assert speed.compile is pays
    assert ("not tried" in why) is (budget == "20m")


def test_fastest__length_of_the_run_without_a_budget(seconds: dict[str, float], experiment: Made) -> None:
    seconds["compiled"] = 0.005
    assert not fastest(experiment("train.epochs=1000"), QUIET)[0].compile, "1000 epochs of 16 images are 160 s"
    assert fastest(experiment("train.epochs=100000"), QUIET)[0].compile


def test_fastest__a_compiler_that_fails_is_not_chosen(
    experiment: Made, monkeypatch: pytest.MonkeyPatch, no_compiler: None
) -> None:
    torch.compiler.reset()
    monkeypatch.setattr(_speed, "_LONG", 0.0)
    speed, _, why = fastest(experiment(), QUIET)
    assert not speed.compile
    assert "torch.compile does not work here" in why
    torch.compiler.reset()


def test_fastest__out_of_memory_is_as_given(experiment: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Trial, batch: Batch) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trial, "step", fail)
    found = fastest(experiment("speed.channels_last=true"), QUIET)
    assert found[:2] == (Speed(channels_last=True), "fp32")
    assert "the memory did not suffice" in found[2]


def test_fastest__leaves_the_experiment_as_it_is(experiment: Made) -> None:
    given = experiment()
    before = copy.deepcopy(given.model.state_dict())
    strides = [p.stride() for p in given.model.parameters()]
    speed, precision, why = fastest(given, QUIET)
    assert speed.mode == "given"
    assert precision in ("fp32", "bf16")
    assert " ms" in why
    assert [p.stride() for p in given.model.parameters()] == strides
    for name, tensor in given.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(parameter.grad is None for parameter in given.model.parameters())


def test_fastest__what_is_chosen_is_written_down_and_done(seconds: dict[str, float], experiment: Made) -> None:
    seconds["last bf16"] = 0.001
    chosen = make_choices(experiment(), ends=None, console=QUIET)
    assert chosen.precision == chosen.recipe.train.precision == "bf16"
    assert chosen.recipe.speed == Speed(channels_last=True)
    assert chosen.choices[-1].startswith("speed channels_last bf16")


@pytest.mark.skipif(not has_bf16("cpu"), reason="this processor has no bf16")
def test_fastest__chosen_ways_train(train: Train) -> None:
    run = train("speed.channels_last=true", "train.precision=bf16")
    assert run.status == "finished"
