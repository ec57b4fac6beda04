"""From predictions to measured values with intervals. numpy alone."""

from graft.evaluation.build import build_metrics
from graft.evaluation.evaluate import evaluate
from graft.evaluation.intervals import percentile_interval, resamples
from graft.evaluation.metrics import Metric, Value

__all__ = ["Metric", "Value", "build_metrics", "evaluate", "percentile_interval", "resamples"]
