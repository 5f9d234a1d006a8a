"""Networks alone: no files, no noise schedules, no clips."""
