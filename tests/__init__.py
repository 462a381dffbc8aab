"""The tests of numgrad. `python -m tests` runs them with the format, lint and type checks."""
