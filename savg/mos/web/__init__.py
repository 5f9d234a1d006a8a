"""Listening tests over HTTP: what listeners and organisers meet, and nothing else of the house."""
