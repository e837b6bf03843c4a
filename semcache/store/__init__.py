"""Adapters to what keeps bytes: the file system, FAISS, LMDB, zstandard. One foreign library a file."""
