"""Where an int8 file loses accuracy, and why."""
