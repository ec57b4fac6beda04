"""Layouts of driving data sets."""
