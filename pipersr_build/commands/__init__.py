"""The commands: each composes the rooms for one task and returns an exit code."""
