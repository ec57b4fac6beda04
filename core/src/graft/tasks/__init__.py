"""Tasks and heads: the contract that plugins fill."""

from graft.tasks.contract import Features, Head, Outputs, Prediction, Task
from graft.tasks.fitted import FittedHead

__all__ = ["Features", "FittedHead", "Head", "Outputs", "Prediction", "Task"]
