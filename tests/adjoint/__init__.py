"""Tests of gradients of Numba functions, and what they are compared with."""
