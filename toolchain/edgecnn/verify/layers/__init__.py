"""Artifacts compared with their float files layer by layer."""
