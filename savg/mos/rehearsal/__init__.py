"""Rehearsals: simulated listeners who go through a copy of a study over HTTP."""
