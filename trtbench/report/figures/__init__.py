"""Figures of results: one file each, from a result to what is drawn, read and downloaded."""
