"""Pictures of what is where: burnt-in overlays, timelines, spectrograms, and their colours."""
