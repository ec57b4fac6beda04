from __future__ import annotations

import pytest
from pydantic import ValidationError

from graft_classification.options import LinearOptions, MlpOptions, TaskOptions


def test_threshold__needs_multi() -> None:
    assert TaskOptions(labels="multi", threshold=0.3).threshold == 0.3
    with pytest.raises(ValidationError, match='threshold needs labels = "multi"'):
        TaskOptions(threshold=0.3)


@pytest.mark.parametrize("options", [TaskOptions(labels="multi"), LinearOptions(class_weights={"a": 2}), MlpOptions()])
def test_options__survive_a_round_trip(options: object) -> None:
    assert type(options)(**options.model_dump()) == options


@pytest.mark.parametrize("wrong", [{"hidden": []}, {"hidden": [0]}, {"dropout": 1}, {"class_weights": {"a": 0}}])
def test_mlp__refuses(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        MlpOptions(**wrong)
