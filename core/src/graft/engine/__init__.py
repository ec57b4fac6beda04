"""Carries a recipe out. The only package that imports Lightning; `graft.engine.train` and `.resume` are its doors."""
