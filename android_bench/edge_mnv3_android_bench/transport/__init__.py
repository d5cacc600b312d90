"""What every way to a device has in common: a shell, and files to and from it."""
