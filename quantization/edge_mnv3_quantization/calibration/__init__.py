"""What a float network computes over calibration images."""
