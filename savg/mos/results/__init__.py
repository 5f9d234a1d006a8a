"""From stored ratings to results: exclusion flags, statistics, the analysis and its report."""
