"""The residual networks of the paper: architecture, training, inference, ensemble."""
