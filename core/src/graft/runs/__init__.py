"""What is done with runs: bundles, predictions, measurements, exports."""
