"""The columns of ``leaderboard.csv``, its file, and the verdicts of its rows on each other."""
