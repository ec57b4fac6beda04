"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import HeadSpec, MetricSpec, TaskSpec, hookimpl

HOOK_API = 1

TASK = "classification"

_CLASSICAL = {
    "logistic": ("Logistic", "logistic regression"),
    "linear-svm": ("LinearSvm", "a linear support vector machine with calibrated scores"),
    "svm": ("Svm", "a support vector machine with a radial kernel and calibrated scores"),
    "knn": ("Knn", "the nearest training images vote"),
    "forest": ("Forest", "a random forest"),
    "boosting": ("Boosting", "gradient boosting on histograms"),
    "fitted-mlp": ("FittedMlp", "a multi-layer perceptron"),
}


@hookimpl
def graft_tasks() -> Iterable[TaskSpec]:
    """Return the task."""
    return [
        TaskSpec(
            name=TASK,
            summary="What an image shows: one class, or any number of them (task.labels=multi).",
            target="graft_classification.task:ClassificationTask",
            options="graft_classification.options:TaskOptions",
            verb="classify",
            takes="labels",
            head="linear",
            augment="basic",
            metrics=("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auroc"),
            # Defined for single- and multi-label alike, and not fooled by a class that is most of the data.
            monitor="balanced_accuracy",
            mixes=("mixup", "cutmix"),
        )
    ]


@hookimpl
def graft_heads() -> Iterable[HeadSpec]:
    """Return the heads."""
    return [
        HeadSpec(
            name="linear",
            summary="One linear layer on the pooled embedding.",
            target="graft_classification.heads:LinearHead",
            options="graft_classification.options:LinearOptions",
            tasks=(TASK,),
            needs="embedding",
        ),
        HeadSpec(
            name="mlp",
            summary="Hidden layers with dropout on the pooled embedding.",
            target="graft_classification.heads:MlpHead",
            options="graft_classification.options:MlpOptions",
            tasks=(TASK,),
            needs="embedding",
        ),
        *(
            HeadSpec(
                name=name,
                summary=f"{what} over the frames of a sequence, in their order.",
                target=f"graft_classification.recurrent:{attribute}",
                options="graft_classification.options:RecurrentOptions",
                tasks=(TASK,),
                needs="embedding",
                sequences=True,
            )
            for name, attribute, what in (
                ("lstm", "LstmHead", "Long short-term memory"),
                ("gru", "GruHead", "Gated recurrent units"),
            )
        ),
        *(
            HeadSpec(
                name=name,
                summary=f"Fitted at once: {what}.",
                target=f"graft_classification.classical.heads:{stem}Head",
                options=f"graft_classification.classical.options:{stem}Options",
                tasks=(TASK,),
                needs="embedding",
                fitted=True,
            )
            for name, (stem, what) in _CLASSICAL.items()
        ),
        HeadSpec(
            name="ensemble",
            summary="Fitted at once: several of these on the feature maps of several stages, by vote or stacking.",
            target="graft_classification.classical.ensemble:EnsembleHead",
            options="graft_classification.classical.options:EnsembleOptions",
            tasks=(TASK,),
            needs="pyramid",
            fitted=True,
        ),
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Return the metrics."""
    metrics = {
        "accuracy": ("Accuracy", "Share of images whose prediction is right; multi-label: with every label right."),
        "balanced_accuracy": (
            "BalancedAccuracy",
            "Mean recall of the classes; multi-label: mean of recall and specificity, over labels.",
        ),
        "precision": ("Precision", "Share of a class's predictions that are right: macro mean and per class."),
        "recall": ("Recall", "Share of a class's images that are found: macro mean and per class."),
        "f1": ("F1", "Harmonic mean of precision and recall: macro mean and per class."),
        "auroc": ("Auroc", "Area under the ROC curve, each class against the rest: macro mean and per class."),
        "average_precision": (
            "AveragePrecision",
            "Area under the precision-recall curve, each class against the rest: macro mean and per class.",
        ),
    }
    return [
        MetricSpec(name=name, summary=summary, target=f"graft_classification.metrics:{attribute}", tasks=(TASK,))
        for name, (attribute, summary) in metrics.items()
    ]
