"""SQLite: the connection, transactions, migrations, full-text search, stored secrets."""
