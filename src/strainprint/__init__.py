"""strainprint reads a crystal's deformation history from its strain map."""

__version__ = "0.1.0"
