"""Listening tests over HTTP: pages and requests of listeners and organisers."""
