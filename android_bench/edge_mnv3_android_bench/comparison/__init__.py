"""Two measurements compared, and the history of measurements."""
