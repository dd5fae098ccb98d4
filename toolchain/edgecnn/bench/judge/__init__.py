"""A bench judged: what to ship, and what got worse."""
