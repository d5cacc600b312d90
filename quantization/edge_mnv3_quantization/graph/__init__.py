"""The network as the algorithms see it: reading, writing, rewriting, scale sharing."""
