"""Photographs: reading, resizing, corpora, patches."""
