"""How ops run: arrays in, arrays out. A kernel is a NumPy ufunc whose loop Numba compiled."""
