"""Manifests and locks: chosen, written, edited, looked at, merged."""
