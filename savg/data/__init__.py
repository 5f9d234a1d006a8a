"""Training data: synthetic scenes, packed arrays, and the tensors that models take of a clip."""
