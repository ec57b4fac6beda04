from __future__ import annotations

import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from forks import fork
from graft.engine._checkpoint import Checkpoints, TrainingState, weights_digest
from graft.errors import RunError, TrainingError


def state(epoch: int, monitored: list[float | None] | None = None, size: int = 10) -> TrainingState:
    return TrainingState(
        epoch=epoch,
        monitored=monitored if monitored is not None else [float(number) for number in range(epoch)],
        model={"weight": torch.full((size,), float(epoch)), "count": torch.tensor(epoch)},
        optimizer={"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "unit": "head"}]},
    )


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


def test_save__keeps_the_last_and_the_best(checkpoints: Checkpoints) -> None:
    monitored: list[float | None] = []
    for epoch, value in enumerate((0.5, 0.9, 0.9, None, 0.1), 1):
        monitored.append(value)
        checkpoints.save(state(epoch, list(monitored)))
    assert {path.name for path in checkpoints.folder.iterdir()} == {
        "epoch-0002",
        "epoch-0005",
        "current.json",
    }
    assert checkpoints.best().epoch == 2, "the first of equals"
    last = checkpoints.resume_from(pytest.fail)
    assert last is not None
    assert last.epoch == 5
    assert last.monitored == monitored
    assert torch.equal(last.model["weight"], torch.full((10,), 5.0))
    assert last.optimizer == state(5).optimizer


def test_best_epoch__without_values_is_the_last(checkpoints: Checkpoints) -> None:
    assert state(3, [None, None, None]).best_epoch == 3


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove", "manifest", "foreign"])
def test_resume_from__passes_over_what_is_damaged(checkpoints: Checkpoints, damage: str) -> None:
    for epoch, monitored in ((1, [0.9]), (2, [0.9, 0.1])):
        checkpoints.save(state(epoch, monitored))
    file = checkpoints.folder / "epoch-0002" / "state.pt"
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "truncate":
        file.write_bytes(content[:-1])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "remove":
        file.unlink()
    elif damage == "manifest":
        (file.parent / "manifest.json").write_text("{")
    else:
        current = checkpoints.folder / "current.json"
        current.write_text(current.read_text().replace("epoch-0002", "../epoch-0002"))
    warnings: list[str] = []
    found = checkpoints.resume_from(warnings.append)
    assert found is not None
    assert found.epoch == 1
    assert bool(warnings) is (damage != "foreign")


def test_resume_from__needs_the_best_epoch_too(checkpoints: Checkpoints) -> None:
    for epoch, monitored in ((1, [0.9]), (2, [0.9, 0.1])):
        checkpoints.save(state(epoch, monitored))
    shutil.rmtree(checkpoints.folder / "epoch-0001")
    warnings: list[str] = []
    assert checkpoints.resume_from(warnings.append) is None
    assert len(warnings) == 2
    with pytest.raises(RunError, match="graft resume"):
        checkpoints.best()


def test_resume_from__a_newer_format_is_refused(checkpoints: Checkpoints) -> None:
    checkpoints.save(state(1))
    manifest = checkpoints.folder / "epoch-0001" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(RunError, match="newer"):
        checkpoints.resume_from(pytest.fail)


def test_resume_from__a_pickle_that_runs_code_is_not_run(checkpoints: Checkpoints, tmp_path: Path) -> None:
    import hashlib
    import json

    checkpoints.save(state(1))
    folder = checkpoints.folder / "epoch-0001"
    hostile = f"cos\nmkdir\n(S'{tmp_path / 'pwned'}'\ntR.".encode()
    (folder / "state.pt").write_bytes(hostile)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["state.pt"]["sha256"] = hashlib.sha256(hostile).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert checkpoints.resume_from(lambda _: None) is None
    assert not (tmp_path / "pwned").exists()


def test_save__full_disk_leaves_the_old_one(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(state(1))
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        write(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(TrainingError, match=r"epoch-0002.*it takes [\d,]+ bytes"):
            checkpoints.save(state(2))
    found = checkpoints.resume_from(pytest.fail)
    assert found is not None
    assert found.epoch == 1
    assert not list(checkpoints.folder.glob(".tmp-*"))


def test_save__killed_twenty_times_never_loses_a_checkpoint(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As found with other savers: a temporary folder on another file system turns a rename into a copy.
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    monkeypatch.setattr("tempfile.tempdir", None)
    begun = time.monotonic()
    checkpoints.save(state(1, size=500_000))
    length = time.monotonic() - begun
    reached = 1
    draw = random.Random(0)

    def save_on(epoch: int) -> None:
        # The best epoch changes at every other one.
        while True:
            epoch += 1
            checkpoints.save(state(epoch, [float(number - number % 2) for number in range(epoch)], size=500_000))

    for _ in range(20):
        child = fork(lambda start=reached: save_on(start))
        time.sleep(draw.uniform(0.5, 3) * length)
        # On a busy machine a save may take many times as long as the first one did.
        length *= 1.0 if reached > 1 else 1.3
        child.kill()
        child.wait()
        found = checkpoints.resume_from(pytest.fail)
        assert found is not None
        assert found.epoch >= reached, "what was saved once is never lost"
        assert torch.equal(found.model["weight"], torch.full((500_000,), float(found.epoch)))
        assert checkpoints.best().epoch == found.best_epoch
        assert not list(checkpoints.folder.glob(".tmp-*")), "what the killed one left is swept away"
        reached = found.epoch
    assert reached > 1, "some saves went through"


def test_weights_digest__sees_values_names_and_types() -> None:
    model = state(1).model
    digests = {
        weights_digest(model),
        weights_digest({**model, "weight": model["weight"].double()}),
        weights_digest({**model, "weight": model["weight"] + 1e-7}),
        weights_digest({"w": model["weight"], "count": model["count"]}),
    }
    assert len(digests) == 4
    assert weights_digest(dict(reversed(model.items()))) == weights_digest(replace(state(1)).model)


INITIAL = {"frozen": torch.arange(1000.0), "learning": torch.zeros(5)}


def trained(epoch: int, *, learning: float = 1.0, average: bool = False, frozen: float = 0.0) -> TrainingState:
    model = {"frozen": INITIAL["frozen"] + frozen, "learning": torch.full((5,), learning)}
    return TrainingState(
        epoch=epoch,
        monitored=[float(number) for number in range(epoch)],
        model=model,
        average={name: tensor.clone() for name, tensor in model.items()} if average else None,
        optimizer={},
    )


@pytest.mark.parametrize("average", [False, True])
def test_save__writes_what_never_changed_once(tmp_path: Path, average: bool) -> None:
    written = []
    for epoch in (1, 2, 3):
        # A new object each time, as after a resume.
        Checkpoints(tmp_path, INITIAL).save(trained(epoch, learning=float(epoch), average=average))
        written.append((tmp_path / f"epoch-{epoch:04}" / "initial.safetensors").stat().st_ino)
    assert len(set(written)) == 1
    folder = tmp_path / "epoch-0003"
    assert (folder / "state.pt").stat().st_size < (folder / "initial.safetensors").stat().st_size
    assert b"frozen" not in (folder / "state.pt").read_bytes()

    found = Checkpoints(tmp_path).resume_from(pytest.fail)
    assert found is not None
    wanted = trained(3, learning=3.0, average=average)
    for got, expected in ((found.model, wanted.model), (found.average or {}, wanted.average or {})):
        assert {name: tensor.tolist() for name, tensor in got.items()} == {
            name: tensor.tolist() for name, tensor in expected.items()
        }


def test_save__writes_again_what_has_thawed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, INITIAL)
    checkpoints.save(trained(1))
    checkpoints.save(trained(2, frozen=0.5, learning=0.0))  # what learnt is as in the beginning by chance
    checkpoints.save(trained(3, frozen=0.5))

    assert not (tmp_path / "epoch-0003" / "initial.safetensors").exists()
    assert torch.equal(checkpoints.best().model["frozen"], INITIAL["frozen"] + 0.5)


def test_save__has_no_need_of_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", link)
    for epoch in (1, 2):
        Checkpoints(tmp_path, INITIAL).save(trained(epoch))
    assert torch.equal(Checkpoints(tmp_path).best().model["frozen"], INITIAL["frozen"])


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_resume_from__notices_damage_to_what_never_changed(tmp_path: Path, damage: str) -> None:
    Checkpoints(tmp_path, INITIAL).save(trained(1))
    file = tmp_path / "epoch-0001" / "initial.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    if damage == "remove":
        file.unlink()
    warnings: list[str] = []

    assert Checkpoints(tmp_path).resume_from(warnings.append) is None
    assert "epoch-0001" in warnings[0]
