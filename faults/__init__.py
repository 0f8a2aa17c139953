"""What can go wrong with a run, done to it on purpose; each time, calling again must finish it."""
