"""Two-point correlations with a random forest, and the shape-only baseline."""
