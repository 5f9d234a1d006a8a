"""Measures of clips and of detectors; each module states its rules, units and source."""
