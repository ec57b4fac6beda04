from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graft.data.samples import Catalogue, Sample
from graft.errors import DataError
from graft_classification.options import TaskOptions
from graft_classification.scores import Scores
from graft_classification.task import ClassificationTask

CLASSES = ("cat", "dog", "bird")


def task(**options: object) -> ClassificationTask:
    return ClassificationTask(classes=CLASSES, options=TaskOptions(**options))


def sample(name: str, *labels: str, where: str = "") -> Sample:
    return Sample(id=name, path=Path(name), target=labels, where=where)


def catalogue(*samples: Sample, classes: tuple[str, ...] = CLASSES) -> Catalogue:
    return Catalogue(samples=samples, classes=classes, reader="folder", root=Path())


def scores(*values: float) -> Scores:
    return Scores(np.array(values, dtype=np.float32))


def test_encode__single() -> None:
    encoded = [task().encode(sample("a.png", name)) for name in ("dog", "cat")]
    batch = task().collate(encoded)
    assert batch.tolist() == [1, 0]
    assert batch.dtype == torch.int64


def test_encode__multi() -> None:
    both = task(labels="multi").encode(sample("a.png", "bird", "cat"))
    none = task(labels="multi").encode(sample("b.png"))
    batch = task(labels="multi").collate([both, none])
    assert batch.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert batch.dtype == torch.float32


def test_encode__class_that_the_model_does_not_know() -> None:
    with pytest.raises(DataError, match=r"labels.csv line 3, a.png: class 'dgo'.*\n.*did you mean 'dog'"):
        task().encode(sample("a.png", "dgo", where="labels.csv line 3"))


def test_encode__two_labels_where_one_is_expected() -> None:
    with pytest.raises(DataError, match=r"a.png: has 2 labels \(cat, dog\)(.|\n)*task.labels=multi"):
        task().encode(sample("a.png", "cat", "dog"))


def test_strata__rarest_of_several_labels() -> None:
    data = catalogue(sample("a", "cat", "dog"), sample("b", "cat"), sample("c"), sample("d", "dog", "bird"))
    assert task(labels="multi").strata(data) == ["cat", "cat", "", "bird"]
    assert task().strata(catalogue(sample("a", "dog"), sample("b", "cat"))) == ["dog", "cat"]


def test_as_row__single() -> None:
    row = task().as_row(scores(0.2, 0.7, 0.1))
    assert row == {"label": "dog", "score": 0.7, "score.cat": 0.2, "score.dog": 0.7, "score.bird": 0.1}
    assert task().prediction_columns == tuple(row)
    assert all(type(value) in (str, float) for value in row.values())


def test_as_row__multi() -> None:
    multi = task(labels="multi", threshold=0.3)
    row = multi.as_row(scores(0.3, 0.1, 0.9))
    assert (row["label"], row["labels"]) == ("cat;bird", ["cat", "bird"])
    assert set(multi.prediction_columns) < set(row)
    assert multi.as_row(scores(0, 0, 0))["label"] == ""


def test_errors__order_and_size() -> None:
    single = task().errors([scores(0.8, 0.1, 0.1), scores(0.8, 0.2, 0.0)], [0, 2])
    assert single[0] == pytest.approx(-np.log(0.8), abs=1e-6)
    assert np.isfinite(single[1])
    assert single[1] > 10
    multi = task(labels="multi").errors([scores(0.9, 0.1, 0.5)], [np.array([1, 0, 0], dtype=np.float32)])
    assert multi[0] == pytest.approx(-np.log([0.9, 0.9, 0.5]).mean(), abs=1e-6)


def test_caption() -> None:
    assert task().caption(scores(0.1, 0.87, 0.03), 0) == "dog 0.87 · true: cat"
    multi = task(labels="multi")
    assert multi.caption(scores(0.9, 0.6, 0), np.array([0, 1, 1.0])) == "cat 0.90, dog 0.60 · true: dog, bird"
    assert multi.caption(scores(0, 0, 0), np.zeros(3)) == "none · true: none"


def test_baseline__is_the_majority_of_the_training_images() -> None:
    predictions = task().baseline([0, 0, 0], [1, 1, 1, 2])
    assert [task().as_row(prediction)["label"] for prediction in predictions] == ["dog"] * 3
    assert predictions[0].scores.tolist() == [0, 0.75, 0.25]
    vectors = [np.array(row, dtype=np.float32) for row in ([1, 0, 0], [1, 0, 1], [1, 1, 1])]
    multi = task(labels="multi")
    assert multi.as_row(multi.baseline(vectors[:1], vectors)[0])["labels"] == ["cat", "bird"]
