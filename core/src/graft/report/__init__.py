"""The HTML report on a run, and what others put into it."""
