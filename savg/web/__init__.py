"""What an HTTP server of ours is made of: strict replies, logins, sockets."""
