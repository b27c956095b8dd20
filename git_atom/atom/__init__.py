"""Intent and publishing."""
