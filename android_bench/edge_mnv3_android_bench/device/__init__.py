"""Which device, its state, cores and settings."""
