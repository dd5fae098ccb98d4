"""The report of a training: what it came to, what kind of error it makes, what to try first."""
