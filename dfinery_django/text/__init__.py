"""Words for people: time in words, foreign text made safe to show, the fields of log records.

It imports no ORM and queries no database. Every package may import it.
"""
