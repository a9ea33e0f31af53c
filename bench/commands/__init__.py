"""The command line: one file a command, and one that runs every study."""
