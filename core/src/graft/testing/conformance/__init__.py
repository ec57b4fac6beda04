"""Conformance classes, one module for each kind of contribution."""
