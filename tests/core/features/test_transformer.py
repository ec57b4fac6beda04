"""`DeepFeatures` is what scikit-learn calls a transformer, but for what only tables of numbers can be asked."""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import InputTags, Tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import graft.features
from graft.data.decode import decode
from graft.errors import DataError, UserError, WeightsError
from graft.features import DeepFeatures, cache
from graft.features.extract import Extractor
from photos import write_photos

SIZE = 32


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return sorted(write_photos(tmp_path / "photos", per_class=6).rglob("*.png"))


@pytest.fixture
def images(paths: list[Path]) -> NDArray[np.uint8]:
    return np.stack([decode(path) for path in paths])


@pytest.fixture
def labels(paths: list[Path]) -> list[str]:
    return [path.parent.name for path in paths]


@pytest.fixture
def calculated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of each calculation."""
    calls: list[int] = []
    real = Extractor._calculate

    def calculate(self: Extractor, waiting: Any, *rest: Any) -> None:
        calls.append(len(waiting))
        real(self, waiting, *rest)

    monkeypatch.setattr(Extractor, "_calculate", calculate)
    return calls


def small(**parameters: Any) -> DeepFeatures:
    return DeepFeatures(**{"size": SIZE, "device": "cpu", "batch": 8, **parameters})


@parametrize_with_checks([DeepFeatures()])
def test_sklearn__checks(estimator: Any, check: Any) -> None:
    check(estimator)


class OfRows(DeepFeatures):
    """Takes the tables of numbers that scikit-learn's checks are made of: each row is a grey image, one pixel high.

    Its input tags alone let scikit-learn run what it would not run for images.
    """

    def fit(self, X: Any, y: Any = None) -> OfRows:
        return super().fit(self._as_images(X, reset=True))  # type: ignore[return-value]

    def transform(self, X: Any) -> Any:
        return super().transform(self._as_images(X, reset=False))

    def _as_images(self, X: Any, *, reset: bool) -> NDArray[np.float64]:
        from sklearn.utils.validation import check_is_fitted, validate_data

        if not reset:
            check_is_fitted(self)
        rows = validate_data(self, X, reset=reset, dtype=np.float64)
        return 1 / (1 + np.exp(-rows.clip(-50, 50)))[:, None, :]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = InputTags(two_d_array=True)
        return tags


@parametrize_with_checks([OfRows(size=16, device="cpu", batch=8, cache=False)])
def test_sklearn__checks_on_rows_as_images(estimator: Any, check: Any) -> None:
    check(estimator)


def test_paths_and_arrays_give_the_same(paths: list[Path], images: NDArray[np.uint8]) -> None:
    of_paths = small().fit_transform(paths)
    assert of_paths.dtype == np.float32
    for given in (
        images,
        list(images),
        [str(path) for path in paths],
        tuple(paths),
        np.array([str(path) for path in paths]),
        np.array(paths, dtype=object)[:, None],
    ):
        assert (small().fit(given).transform(given) == of_paths).all()


def test_stages_stand_side_by_side(images: NDArray[np.uint8]) -> None:
    parts = [small(stages=stage).fit_transform(images) for stage in ("stage1", "embedding")]
    both = small(stages=("stage1", "embedding")).fit(images)
    assert (both.transform(images) == np.hstack(parts)).all()
    names = both.get_feature_names_out()
    assert len(names) == parts[0].shape[1] + parts[1].shape[1]
    assert (names[0], names[parts[0].shape[1]]) == ("stage1_0", "embedding_0")
    assert small(pool="max", stages="stage1").fit_transform(images).shape == parts[0].shape


def test_the_network_may_end_early(images: NDArray[np.uint8]) -> None:
    ends, stands = small(upto="stage2").fit_transform(images), small(stages="stage2").fit_transform(images)
    np.testing.assert_allclose(ends, stands, rtol=1e-5)


def test_in_a_pipeline(paths: list[Path], labels: list[str]) -> None:
    model = make_pipeline(small(), StandardScaler(), LogisticRegression(max_iter=1000))
    assert cross_val_score(model, paths, labels, cv=3).mean() > 0.9
    model.fit(paths, labels)
    assert list(model.predict(paths[:1])) == labels[:1]
    assert model[:-1].get_feature_names_out()[0] == "embedding_0"


def test_a_grid_search_calculates_each_image_once(
    images: NDArray[np.uint8], labels: list[str], calculated: list[int]
) -> None:
    grid = {
        "deepfeatures__stages": ["stage1", ("stage1", "embedding")],
        "deepfeatures__pool": ["gap", "max"],
        "logisticregression__C": [0.1, 1.0],
    }
    model = make_pipeline(small(), LogisticRegression(max_iter=1000))
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(images, labels)
    assert len(search.cv_results_["params"]) == 8
    assert search.best_score_ > 0.8
    assert sum(calculated) == 4 * len(images), "for each of the four kinds of features"
    assert len(cache.spaces()) == 4


def test_without_a_cache(images: NDArray[np.uint8], home: Path, calculated: list[int]) -> None:
    features = small(cache=False).fit(images)
    assert (features.transform(images) == features.transform(images)).all()
    assert sum(calculated) == 2 * len(images)
    assert not home.exists()
    small(cache="1MB").fit_transform(images)
    assert len(cache.spaces()) == 1


def test_the_network_is_built_once(images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    import graft.features.transformer as module

    built: list[Any] = []
    real = module.build_backbone
    monkeypatch.setattr(module, "build_backbone", lambda *a, **k: built.append(a) or real(*a, **k))
    features = small()
    assert built == []
    features.fit(images)
    features.transform(images)
    features.transform(images)
    assert len(built) == 1


def test_clone_and_parameters() -> None:
    features = small(stages=["stage1", "stage2"], pool="gem", cache="2GB")
    copy = clone(features)
    assert copy.get_params() == features.get_params()
    assert set(features.get_params()) == set(inspect.signature(DeepFeatures).parameters)
    assert repr(DeepFeatures(pool="max")) == "DeepFeatures(pool='max')"


def test_not_fitted(images: NDArray[np.uint8]) -> None:
    for method in (lambda: small().transform(images), small().get_feature_names_out):
        with pytest.raises(NotFittedError):
            method()


def test_set_output(images: NDArray[np.uint8]) -> None:
    pytest.importorskip("pandas")
    table = small().set_output(transform="pandas").fit_transform(images)
    assert list(table.columns[:2]) == ["embedding_0", "embedding_1"]


class Column:
    """As much of a column of pandas as is asked for."""

    iloc = None

    def __init__(self, values: list[Path]) -> None:
        self.values = values

    def to_numpy(self) -> NDArray[np.object_]:
        return np.array([str(value) for value in self.values], dtype=object)


def test_a_column_of_a_table(paths: list[Path]) -> None:
    assert (small().fit_transform(Column(paths)) == small().fit_transform(paths)).all()


@pytest.mark.parametrize(
    ("X", "text"),
    [
        ("photos/", "X is 'photos/'"),
        (Path("photos"), "PosixPath"),
        (None, "None"),
        (3, "X is 3"),
        ([], "no image"),
        (np.zeros((3, 5)), r"shape \(3, 5\) and type float64"),
        (np.zeros((3, 4, 4, 3, 1)), "shape"),
        (np.zeros((3, 4, 4), complex), "complex"),
        (np.zeros((0, 4, 4), np.uint8), "no image"),
        (["a.png", 3], "int, str"),
        ([[1, 2], [3, 4]], "list"),
    ],
    ids=str,
)
def test_what_are_no_images(X: Any, text: str) -> None:
    for kind in (ValueError, DataError):
        with pytest.raises(kind, match=text):
            small().fit(X)


def test_images_that_cannot_be_read_are_named_all_at_once(paths: list[Path], images: NDArray[np.uint8]) -> None:
    paths[1].write_bytes(b"")
    paths[4].unlink()
    features = small().fit(paths)
    with pytest.raises(ValueError, match="2 of 18") as caught:
        features.transform(paths)
    assert str(paths[1]) in str(caught.value)
    assert str(paths[4]) in str(caught.value)
    with pytest.raises(ValueError, match=r"image 2: pixels from 0 to 7") as caught:
        features.transform([images[0], images[1], np.array([[0.0, 7.0]]), np.zeros((2, 2, 2), np.uint8)])
    assert "image 3" in str(caught.value)


def test_parameters_that_do_not_fit(images: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="pool none") as caught:
        small(pool="none", batch=0).fit(images)
    assert "batch 0" in str(caught.value)
    with pytest.raises(UserError, match="stage7"):
        small(stages=("stage1", "stage7")).fit(images)
    with pytest.raises(UserError, match=r"did you mean .tiny"):
        small(backbone="graft:tinny").fit(images)
    with pytest.raises(WeightsError):
        small(weights="no-such").fit(images)


def test_warnings_are_pythons(images: NDArray[np.uint8], home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="takes no more"):
        small().fit_transform(images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(cache=False).fit_transform(images)


def test_importing_the_package_is_light() -> None:
    program = (
        "import sys, graft.features; assert 'DeepFeatures' in graft.features.__all__; "
        "print(*{'torch', 'sklearn', 'numpy'} & set(sys.modules)); "
        "from graft.features import DeepFeatures; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\nTrue\n"
    with pytest.raises(AttributeError, match="DeepFeature'"):
        graft.features.DeepFeature  # noqa: B018
