"""The shop of these tests. Its tables are in the dumps, so it does not change."""
