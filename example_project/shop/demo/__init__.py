"""The demonstration: customers who buy over HTTP, and a comparison of what they bought with what arrived.

Runs beside the shop, not inside it: it starts the shop's processes and talks to them as a browser would.
"""
