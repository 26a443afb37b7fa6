"""Whatever arrives from outside, the answer is a value or the error of its edge, never a surprise.

The budget of all of it is some twenty seconds of processor time. A failure prints the example and a
line that replays it (`@reproduce_failure`); more examples: `--hypothesis-seed=N`.
"""
