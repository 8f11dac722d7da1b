"""Timings of the toolkit against the bare calls of the libraries it uses, as ratios in one run."""
