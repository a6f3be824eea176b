"""What compilers write about an engine, read back."""
