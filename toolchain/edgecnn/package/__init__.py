"""Bundles: one file with a proven model, the runner and its libraries, for a device."""
