"""``recipe.toml``: every decision of one model, from data to thresholds."""
