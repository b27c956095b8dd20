"""Sets and their atoms: the own one and those of others, published, fetched, judged, owned."""
