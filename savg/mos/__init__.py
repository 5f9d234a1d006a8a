"""Listening tests over headphones: design, stimuli, screening, store and statistics.

Only `web` knows of pages; everything else can be used without them.
"""
