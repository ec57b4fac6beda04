"""What to do with a checkpoint that only pickle reads. Imports nothing: the plugin itself names it."""

RESAVE = (
    "ultralytics' own files hold pickled objects. If you trust where it comes from, write its tensors alone: "
    """python -c "from safetensors.torch import save_file; from ultralytics import YOLO; """
    """save_file(YOLO('yolo.pt').model.float().state_dict(), 'yolo.safetensors')" """
).rstrip()
