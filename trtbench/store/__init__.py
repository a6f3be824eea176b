"""What is kept on disk: artifacts, results, journals, and who made them."""
