"""Listening tests kept in a private dataset on the Hugging Face Hub."""
