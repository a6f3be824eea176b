"""A report as Markdown, with its figures as SVG beside it."""
