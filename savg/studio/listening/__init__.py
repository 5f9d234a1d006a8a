"""The Listening test tab, and listening tests served beside the studio."""
