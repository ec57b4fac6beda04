"""The command line, where it used to be."""

from graft.testing.commands import Graft, Result

__all__ = ["Graft", "Result"]
