"""Analyzers, satisfaction, closure: bytes in, facts out."""
