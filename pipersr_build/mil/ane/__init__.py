"""The semantics `ane`: what is published of the engine's arithmetic, simulated. No engine takes part.

Sums of products are 32-bit fixed point with an end at 32768 (`fixed_point`), activation functions are
tables of 33 points (`tables`), and results are rounded to fp16 with halves away from zero (`rounding`).
All else, of which nothing is known, is computed as in the semantics `fp16`.

Source of every rule unless another is named: "Apple Neural Engine Microarchitecture Study, M6",
https://github.com/751K/Apple-Neural-Engine-Microarchitecture-Study-M6, notes/numerics.md, commit 60d79c2,
measured through Core ML on an M6 and, the sums, on an M4 as well. M1 to M3 may differ: the same limit of
32768 was measured there, the width of the sums was not.
"""
