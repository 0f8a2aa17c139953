"""Maps become a table, a crop store and splits."""
