"""Asking a bundle: open, look up, explain. Never imports the build side."""
