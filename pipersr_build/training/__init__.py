"""Train a network with Lightning: reproducible, interruptible, exactly resumable."""
