"""Elementary functions that LLVM vectorises in the loops that call them.

Each is a scalar function without branches, for float64 and float32, that is inlined. Choices are
made between values that are both computed. The coefficients of polynomials are minimax for the
relative error of the result, the first of them rounded before the others were fitted.

An integer k is often held in the lowest bits of a float t = k + 1.5 * 2**52 (in float32 2**23):
adding that number rounds to an integer, in one step for any processor.

Errors are below 2.5 units in the last place; those that were measured stand in docs/performance.md.
Where a function needs float64 inside for float32, it says so.
"""
