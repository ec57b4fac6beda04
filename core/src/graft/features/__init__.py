"""What a frozen network gives for an image is calculated once: cached activations, and features to work on."""
