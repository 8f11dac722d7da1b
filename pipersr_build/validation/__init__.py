"""Parity: does the package, run from disk, compute what the PyTorch network computes?"""
