"""Parity under worse conditions: images, runs, and the limit on what they cost."""
