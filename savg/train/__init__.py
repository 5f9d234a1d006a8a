"""Training: one loop, one file a recipe. `python -m savg.train RECIPE …`."""
