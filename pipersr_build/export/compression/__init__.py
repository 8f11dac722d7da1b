"""Packages of fewer bits: weights in 8, 6 or 4 bits, and activations in 8."""

from pipersr_build.export.compression.methods import METHOD_KEY, METHODS, Method, method_of, parse

__all__ = ["METHODS", "METHOD_KEY", "Method", "method_of", "parse"]
