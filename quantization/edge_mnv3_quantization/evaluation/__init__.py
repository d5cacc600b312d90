"""Files evaluated over images, shard by shard, in threads or processes, and kept in a store."""
