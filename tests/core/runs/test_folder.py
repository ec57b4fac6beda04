from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from forks import fork
from graft.errors import RunError, TrainingError
from graft.runs.folder import Run, check_place, slug

FILES = {"recipe.toml": 'task = "shades"\n'}


def create(out: Path, name: str | None = None) -> Run:
    return Run.create(out, name=name, default="task-arch:v1", files=FILES)


def test_create__names_it_by_date_and_default(tmp_path: Path) -> None:
    run = create(tmp_path / "deep" / "runs")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6}-task-arch-v1", run.path.name)
    assert (run.path / "recipe.toml").read_text() == FILES["recipe.toml"]
    assert run.status == "running"
    assert [path.name for path in run.path.parent.iterdir()] == [run.path.name]


def test_create__a_number_where_the_second_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "now")
    assert [create(tmp_path).path.name for _ in range(3)] == [
        "now-task-arch-v1",
        "now-task-arch-v1-2",
        "now-task-arch-v1-3",
    ]


def test_create__given_name_is_never_overwritten(tmp_path: Path) -> None:
    run = create(tmp_path, "Meine Läufe / 1")
    assert run.path.name == "Meine-Laufe-1"
    with pytest.raises(RunError, match=f"never overwritten\nFix: give another --name, or .* graft resume {run.path}"):
        create(tmp_path, "Meine Läufe / 1")
    run.mark("finished")
    with pytest.raises(RunError, match=r"never overwritten\nFix: give another --name$"):
        create(tmp_path, "Meine Läufe / 1")
    assert len(list(tmp_path.iterdir())) == 1


def test_create__of_many_at_once_exactly_one_gets_the_name(tmp_path: Path) -> None:
    def work() -> int:
        try:
            create(tmp_path, "one")
        except RunError:
            return 3
        return 0

    children = [fork(work) for _ in range(8)]
    assert sorted(child.wait() for child in children) == [0] + [3] * 7
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "-", "CON/\x00", "x" * 300, "汉字", "\u202e"])
def test_slug__stays_in_its_folder(name: str, tmp_path: Path) -> None:
    safe = slug(name)
    assert re.fullmatch(r"[A-Za-z0-9_.-]{0,80}", safe)
    assert not safe.startswith((".", "-"))


def test_create__name_without_letters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no letter"):
        create(tmp_path, "汉字/..")


def test_check_place__where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(RunError, match="file is a file"):
            check_place(out, None)
    with pytest.raises(RunError, match="no run folder can be made"):
        create(tmp_path / "file")
    check_place(tmp_path / "new" / "runs", "name")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(RunError, match="may not be written"):
        check_place(tmp_path / "new" / "runs", None)


def test_open__says_what_is_there_instead(tmp_path: Path) -> None:
    run = create(tmp_path, "first")
    assert Run.open(str(run.path)).path == run.path
    with pytest.raises(RunError, match="did you mean 'first'"):
        Run.open(tmp_path / "frist")
    with pytest.raises(RunError, match=r"the latest is .*first"):
        Run.open(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"no recipe\.toml"):
        Run.open(tmp_path / "empty")


def test_status__of_a_dead_process_is_interrupted(tmp_path: Path) -> None:
    run = create(tmp_path)
    child = fork(lambda: run.mark("running"))
    child.wait()
    assert run.status == "interrupted"
    recorded = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps({**recorded, "host": "elsewhere"}))
    assert run.status == "running", "nothing is known of processes elsewhere"
    (run.path / "status.json").write_text("{")
    assert run.status == "interrupted"


def test_results__of_an_unfinished_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="graft resume"):
        create(tmp_path).results  # noqa: B018


def test_history__leaves_out_half_a_line(tmp_path: Path) -> None:
    run = create(tmp_path)
    assert run.history == []
    run.append("metrics.jsonl", ['{"epoch": 1}', '{"epo'])
    assert run.history == [{"epoch": 1}]


def test_append__to_a_folder_that_is_gone(tmp_path: Path) -> None:
    run = create(tmp_path)
    run.path.rename(tmp_path / "moved")
    with pytest.raises(TrainingError):
        run.append("log.txt", ["a"])
    with pytest.raises(TrainingError):
        run.mark("failed")


def test_locked__once_at_a_time_and_free_after_death(tmp_path: Path) -> None:
    run = create(tmp_path)

    def attempt() -> int:
        try:
            with run.locked():
                return 0
        except RunError as error:
            return 3 if str(os.getppid()) in str(error) else 4

    with run.locked():
        assert fork(attempt).wait() == 3
    assert fork(attempt).wait() == 0


def test_import__is_light() -> None:
    code = "import sys, graft, graft.runs.folder, graft.cli.resume, graft.cli.train; print('torch' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
