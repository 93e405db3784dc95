"""Jobs: the durable queue, its store and its worker."""
