"""What all tests share: a small corpus, a bundle built from it without a model, and the real encoder where asked."""

from __future__ import annotations
