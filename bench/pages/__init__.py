"""What every page shares: its frame, its style and how numbers are written."""
