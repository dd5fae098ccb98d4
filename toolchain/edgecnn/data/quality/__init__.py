"""What is there of a folder of photos, and what is wrong with it."""
