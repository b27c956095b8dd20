"""Signatures, keys, the log's chain, policy; the only maker of Verified values."""
