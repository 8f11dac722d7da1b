"""Fixtures that several test files of placement share."""

from plan_fixtures import both, core_ml, net  # noqa: F401  (pytest finds fixtures here by name)
