"""The wire APIs: payloads to bytes and answers to results, one module per API.

They do no I/O, so that they can be tested with literals. ``outbox``, ``delivery`` and the REST API import them.
"""
