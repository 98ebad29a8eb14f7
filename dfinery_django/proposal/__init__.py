"""A proposal of the ``DFINERY`` setting, made from the installed models and a few of their rows.

It stores nothing and sends nothing, and knows one package by name: django-oscar. Only the doors import it.
"""
