"""NVIDIA's own tool, for builds and times: where it is, its command line, its output."""
