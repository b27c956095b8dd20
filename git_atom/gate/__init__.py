"""Judgement behind hooks: pure verdicts."""
