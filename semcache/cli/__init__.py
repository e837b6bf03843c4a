"""The command line. A command parses, calls one library function, and hands the result to the output module."""
