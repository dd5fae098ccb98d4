"""Intervals, exact tests, confidence sequences, and the number of images needed."""
