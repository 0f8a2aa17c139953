"""Stress-strain curves predicted from nearest neighbours in feature space."""
