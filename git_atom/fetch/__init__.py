"""Bytes from outside, by URL, checked by digest."""
