"""The commands as functions: each takes one request, calls its stages, and returns a result."""
