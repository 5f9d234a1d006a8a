"""The organiser's pages, /admin."""
