"""What the files and folders in a run's folder are called."""

WEIGHTS, RECORD, SETTINGS, CURVE = "weights.safetensors", "training.json", "settings.json", "curve.csv"
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
BEST, SAMPLES, TENSORBOARD = "best", "samples", "tensorboard"
LOCK = ".lock"
