"""Choosing versions; knows no git and no file."""
