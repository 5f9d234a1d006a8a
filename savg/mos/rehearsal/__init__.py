"""Rehearsals: simulated listeners take part in a copy of a study over HTTP."""

SUFFIX = "-rehearsal"
"""What the name of a copy ends with."""
