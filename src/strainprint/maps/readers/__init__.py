"""Readers of the files that image-correlation tools write, one module for each tool."""
