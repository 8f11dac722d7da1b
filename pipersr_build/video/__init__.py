"""Videos: read with PyAV, upscaled frame by frame, written with everything else that the file held."""
