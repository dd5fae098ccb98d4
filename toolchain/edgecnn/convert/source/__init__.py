"""Float models of all forms: found, opened, judged, and loaded as their framework runs them."""
