"""This machine: hardware, packages, processes, signals."""
