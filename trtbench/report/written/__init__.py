"""Results as pages to be kept: Markdown."""
