"""Detectors: heads on a backbone's pyramid."""
