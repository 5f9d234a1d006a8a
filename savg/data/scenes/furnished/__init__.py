"""The furnished world: people as sprites of textured models in panoramas of furnished rooms."""
