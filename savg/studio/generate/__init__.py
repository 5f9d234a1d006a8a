"""The Generate tab: clips from a seed."""
