"""Compositions made of what was built and of what that needs."""
