"""What is kept on disk: artifacts, results, journals, and what made them."""
