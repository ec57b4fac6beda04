"""Self-supervised pretraining for Graft: what images look like, learnt without a label."""
