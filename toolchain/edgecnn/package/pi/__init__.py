"""Bundles for a Raspberry Pi: files, libraries and installer in one archive or Debian package."""
