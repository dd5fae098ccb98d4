"""The command line: one short file per command; each parses, calls one function and renders."""
