"""Snapshots of listening tests in a private dataset on the Hugging Face Hub."""
