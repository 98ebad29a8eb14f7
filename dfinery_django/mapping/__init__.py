"""The mapping language: what a field's value is read from, and how it is fetched for many rows.

It knows no definitions and no models of ours: a settings module may import it. ``definitions`` and all above import it.
"""
