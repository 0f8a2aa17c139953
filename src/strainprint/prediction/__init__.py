"""Prediction: maps from anywhere, judged with due doubt by what a study trained."""
