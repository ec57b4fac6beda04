"""Medical images for Graft: DICOM, NIfTI and 16-bit files, patients, augmentations, metrics, reports."""
