"""A verification for people and machines: page, tables, Markdown, JUnit."""
