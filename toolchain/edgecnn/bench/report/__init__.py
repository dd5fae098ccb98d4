"""A bench for people and machines: page, tables, Markdown, CSV."""
