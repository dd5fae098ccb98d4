"""The runtimes that run a file: found, tried in a child, started without noise or telemetry."""
