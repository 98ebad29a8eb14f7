"""Capture in the shop's own transaction: receivers, ``capture()``, ``track()``, the INSERT, the wake-up after commit.

It sends nothing, and never raises into the shop's code. ``operations`` and everything above may import it.
"""
