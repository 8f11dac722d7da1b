"""A Core ML package opened and understood on any operating system."""
