"""Listening tests over headphones: design, stimuli, screening, store and statistics.

Nothing here knows web pages: they call these functions and print what they return.
"""
