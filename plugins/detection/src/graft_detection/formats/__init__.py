"""The formats of annotations, each with its reader and its writer: COCO, Pascal VOC, YOLO, and tables."""
