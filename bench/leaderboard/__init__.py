"""The columns of ``leaderboard.csv``, its file, and the verdicts its rows have on each other."""
