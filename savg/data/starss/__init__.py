"""STARSS23: its recordings, and the SAVGBench clips constructed from them."""
