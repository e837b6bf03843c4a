"""Rebuilding a bundle every night: from corpora and traffic to a version that passed its gates and is published."""
