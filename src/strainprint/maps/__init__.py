"""Strain maps: displacement fields sampled as digital image correlation would sample them."""
