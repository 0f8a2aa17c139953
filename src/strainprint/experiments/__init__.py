"""Experiments that a config asks for by name: what the accuracy rests on, and what lies beyond."""
