"""Plans, cache levels, and the running of actions."""
