"""Rehearsals: simulated listeners take part in a copy of a study over HTTP."""
