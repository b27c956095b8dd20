"""Compositions for other people's tools."""
