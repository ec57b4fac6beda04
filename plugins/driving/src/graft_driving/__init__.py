"""Driving for Graft: street-scene layouts, drives as groups, weather and night, rare classes, robustness."""
