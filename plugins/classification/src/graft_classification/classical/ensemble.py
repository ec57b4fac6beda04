"""Several classifiers, each on the feature maps of one stage: they vote, or a logistic regression weighs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graft.backbones import BackboneInfo
from graft.errors import Problem, RecipeError, did_you_mean
from graft.tasks import Features
from graft_classification import outputs as heads_outputs
from graft_classification.classical.classifier import Classifier
from graft_classification.classical.family import Family, Labels
from graft_classification.classical.heads import ScoringHead
from graft_classification.classical.kernel import Svm
from graft_classification.classical.linear import LinearSvm, Logistic
from graft_classification.classical.neighbours import Knn
from graft_classification.classical.network import FittedMlp
from graft_classification.classical.options import (
    BoostingOptions,
    ClassicalOptions,
    EnsembleOptions,
    FittedMlpOptions,
    ForestOptions,
    KnnOptions,
    LinearSvmOptions,
    LogisticOptions,
    Member,
    Stage,
    SvmOptions,
    WeightedOptions,
)
from graft_classification.classical.search import balanced_accuracy, divided
from graft_classification.classical.trees import Boosting, Forest
from graft_classification.scores import truth
from graft_classification.task import ClassificationTask

_KINDS: Mapping[str, tuple[type[Family], type[ClassicalOptions]]] = {
    "logistic": (Logistic, LogisticOptions),
    "linear-svm": (LinearSvm, LinearSvmOptions),
    "svm": (Svm, SvmOptions),
    "knn": (Knn, KnnOptions),
    "forest": (Forest, ForestOptions),
    "boosting": (Boosting, BoostingOptions),
    "fitted-mlp": (FittedMlp, FittedMlpOptions),
}


class EnsembleHead(ScoringHead):
    """Members on pooled feature maps of several stages, and what becomes of their probabilities.

    Stacking (Wolpert 1992) learns from the probabilities that members gave images from folds that they had not seen:
    what a member learnt by heart counts for nothing.

    Raises:
        RecipeError: When a member names a stage that the backbone does not have, or the options a class that the data
            do not have.
    """

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: EnsembleOptions, task: ClassificationTask
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.options = options
        names = [stage.name for stage in info.stages]
        places = _places(options.members, names)
        self.stages = sorted(set(places))
        lengths = [info.stages[stage].channels for stage in self.stages]
        starts = dict(zip(self.stages, np.cumsum([0, *lengths[:-1]]).tolist(), strict=True))
        self.spans = [(starts[stage], starts[stage] + info.stages[stage].channels) for stage in places]
        self.members = nn.ModuleList(
            Classifier(end - start, _family(member, options, classes, multi=self.multi))
            for member, (start, end) in zip(options.members, self.spans, strict=True)
        )
        if options.vote == "stacking":
            weigher = Logistic(classes, multi=self.multi, options=LogisticOptions(folds=options.folds))
            self.weigher = Classifier(len(options.members) * len(classes), weigher)

    def describe(self, features: Features) -> Tensor:
        """Return the means of the stages' feature maps, one after the other, `(B, D)`."""
        maps = features.pyramid
        assert maps is not None  # for the type checker: the descriptor says what the head needs
        return torch.cat([maps[stage].mean(dim=(2, 3)) for stage in self.stages], dim=1)

    def fit(
        self, descriptions: NDArray[np.float32], targets: Sequence[Any], *, seed: int, groups: Sequence[str] | None
    ) -> Mapping[str, Any]:
        """Fit the members on the same folds, then what weighs them."""
        y = truth(targets, len(self.classes), self.task_options)
        parts = divided(y, len(self.classes), groups=groups, folds=self.options.folds, seed=seed)
        chosen: dict[str, Any] = {}
        given = []
        for number, (member, (start, end)) in enumerate(zip(self.members, self.spans, strict=True)):
            assert isinstance(member, Classifier)  # for the type checker: there is nothing else among them
            fitted = member.fit(np.ascontiguousarray(descriptions[:, start:end]), y, parts, seed=seed)
            kind = self.options.members[number].kind
            chosen |= {f"{number + 1} {kind} {name}": value for name, value in fitted.chosen.items()}
            given.append(heads_outputs.probabilities(fitted.outputs, multi=self.multi))
        likely = torch.stack(given, dim=1)
        if self.options.vote == "stacking":
            fitted = self.weigher.fit(likely.flatten(1).numpy(), y, parts, seed=seed)
            return chosen | {f"stacking {name}": value for name, value in fitted.chosen.items()}
        if parts:
            chosen["vote cross-validated balanced accuracy"] = self._score(y, likely.mean(dim=1))
        return chosen

    def answer(self, descriptions: Tensor) -> Tensor:
        """Return outputs `(B, C)`."""
        given = [
            member(descriptions[:, start:end]) for member, (start, end) in zip(self.members, self.spans, strict=True)
        ]
        likely = torch.stack([heads_outputs.probabilities(each, multi=self.multi) for each in given], dim=1)
        if self.options.vote == "stacking":
            return self.weigher(likely.flatten(1))  # type: ignore[no-any-return]
        return heads_outputs.logits(likely.mean(dim=1), multi=self.multi)

    def _score(self, y: Labels, likely: Tensor) -> float:
        decided = (likely > 0.5).numpy() if self.multi else likely.argmax(dim=1).numpy()
        return balanced_accuracy(y, decided, self.classes, multi=self.multi)


def _family(member: Member, options: EnsembleOptions, classes: Sequence[str], *, multi: bool) -> Family:
    family, model = _KINDS[member.kind]
    values: dict[str, Any] = {"folds": options.folds}
    if member.pca is not None:
        values["pca"] = member.pca
    if issubclass(model, WeightedOptions):
        values["class_weights"] = options.class_weights
    return family(classes, multi=multi, options=model(**values))


def _places(members: Sequence[Member], names: Sequence[str]) -> list[int]:
    """Return the place of each member's stage.

    Raises:
        RecipeError: With every stage that there is not.
    """
    places, problems = [], []
    for number, member in enumerate(members):
        place = _place(member.stage, names)
        if place is None:
            what = f"the backbone has no stage '{member.stage}', but {', '.join(names)}"
            problems.append(Problem(f"head.members.{number}.stage", what, did_you_mean(str(member.stage), names)))
        else:
            places.append(place)
    if problems:
        raise RecipeError("The ensemble does not fit the backbone", problems=problems)
    return places


def _place(stage: Stage, names: Sequence[str]) -> int | None:
    if isinstance(stage, int):
        return stage % len(names) if -len(names) <= stage < len(names) else None
    return names.index(stage) if stage in names else None
