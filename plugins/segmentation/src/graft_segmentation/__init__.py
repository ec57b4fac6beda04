"""Semantic segmentation for Graft."""
