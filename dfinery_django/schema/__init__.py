"""DFINERY's rules for content: value types, property names, the neutral payload.

It does no I/O and knows no wire format; that is ``protocols``. Every package above ``db`` may import it.
"""
