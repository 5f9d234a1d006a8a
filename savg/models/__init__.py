"""Networks only; they know no files, no schedules, no clips."""
