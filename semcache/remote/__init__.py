"""Sharing bundles: what is published, and who vouches for it."""
