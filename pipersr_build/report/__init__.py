"""Evidence made readable: an HTML report, a model card and the terminal's table of gates.

Everything here is rendered from an `evidence.Evidence` record, and for the report from the sample
pictures beside it. Nothing is measured here and no value is made up: what a record does not hold is
said to be not measured or not recorded.
"""
