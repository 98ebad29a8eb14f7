"""The REST API under exception handlers of others: ``pytest tests/system/neighbours/api``."""
