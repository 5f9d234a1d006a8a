"""Audio arrays float32 [channels, samples]: resampling, levels, loudness, spectra; no files here."""
