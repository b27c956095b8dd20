"""Builds: from a lock to a graph of actions, run or served, and their records."""
