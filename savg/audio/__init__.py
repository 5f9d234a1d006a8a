"""Audio arrays float32 [channels, samples]: levels and loudness; nothing here knows a file."""
