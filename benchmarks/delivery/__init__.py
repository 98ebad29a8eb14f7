"""How fast a backlog drains, beside the wire's own limit and beside one task per event."""
