"""Pure rules: values in, values out. No files, no clock, no environment, no unseeded randomness."""
