"""Where listening tests are stored: tables, migrations and every SQL statement."""
