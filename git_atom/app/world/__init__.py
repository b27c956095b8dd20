"""Compositions as places: opened, imported into, entered, and the interfaces of what lies in them."""
