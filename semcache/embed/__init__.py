"""Text to unit vectors. One foreign library a file; which one is used is written in the encoder's folder."""
