"""Training data: synthetic scenes, packed arrays, and what a model sees of a clip."""
