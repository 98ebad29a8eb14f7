"""From a captured row to a payload: one object read, many built in batches.

It stores no new event and sends nothing. ``outbox`` and everything above may import it.
"""
