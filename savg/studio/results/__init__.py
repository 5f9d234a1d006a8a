"""The Results tab: benchmark tables and reports of listening tests."""
