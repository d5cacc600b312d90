"""Published latencies held against measured ones."""
