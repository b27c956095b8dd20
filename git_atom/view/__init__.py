"""The blob cache and the mounting of views."""
