"""The gate: from counts of right and wrong answers to a verdict."""
