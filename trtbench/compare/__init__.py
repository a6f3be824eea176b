"""Recipes of one model side by side, in shapes, environments and runtimes."""
