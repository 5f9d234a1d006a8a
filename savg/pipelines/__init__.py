"""Networks put together into something a user calls."""
