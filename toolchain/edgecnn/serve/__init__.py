"""The web server of ``edgecnn serve``."""
