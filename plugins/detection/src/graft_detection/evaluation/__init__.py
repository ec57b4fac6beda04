"""COCO's measure of detections: matched once per image, then reduced, so that intervals can resample images."""
