"""Data sets written in another format: what a catalogue of boxes becomes, and what the format cannot hold."""
