"""Figures and videos of annotated clips: overlays, timelines, spectrograms, and their colours."""
