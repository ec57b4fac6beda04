"""YOLO for Graft: ultralytics' networks as backbones and as a head of the task `detection`."""
