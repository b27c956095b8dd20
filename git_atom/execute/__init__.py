"""A request becomes a record: sandbox, observation, collection."""
