"""Tasks and heads: the contract that plugins fill."""

from graft.tasks.contract import Features, Head, Outputs, Prediction, Task

__all__ = ["Features", "Head", "Outputs", "Prediction", "Task"]
