"""Weights that others trained: read by spandrel, brought into the form that the other rooms work with."""
