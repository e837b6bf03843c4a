"""The bundle: one on-disk format with a writer, a reader and a full check. Specified in FORMAT.md."""
