"""Git: objects, packs, refs, remotes, configuration, and the one door to other programs."""
