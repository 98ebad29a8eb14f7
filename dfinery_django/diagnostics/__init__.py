"""The history of one event: each decision, each field, each attempt, and what a rebuild would change.

It changes nothing, and imports no ``delivery``. Only the doors import it.
"""
