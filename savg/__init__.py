"""SAVG Studio: spatially aligned audio-video generation, made, shown and judged."""

__version__ = "0.1.0"
