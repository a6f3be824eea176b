"""What works on this machine, and which of NVIDIA's containers it could run."""
