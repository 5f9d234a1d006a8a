"""What the tabs of the studio share."""
