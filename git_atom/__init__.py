"""Composition-addressed software, kept in git. Nothing lives here; the rooms are listed in docs/design.md section 10."""
