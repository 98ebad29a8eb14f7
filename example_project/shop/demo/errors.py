class DemoError(Exception):
    """The demonstration can't go on; the text says why."""
