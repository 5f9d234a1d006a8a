"""Files: video and audio decoded, measured and written with PyAV and soundfile."""
