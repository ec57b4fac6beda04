"""How pretrained knowledge is adapted: what trains, when, and how fast. Plain torch, no engine."""
