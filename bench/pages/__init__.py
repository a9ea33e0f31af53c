"""The common parts of all pages: frame, style and number formats."""
