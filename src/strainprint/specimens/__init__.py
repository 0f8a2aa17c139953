"""Two-dimensional discrete dislocation plasticity: crystals that are loaded and remember it."""
