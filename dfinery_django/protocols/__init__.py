"""Wire protocols: payloads to and from the bytes of one API. Pure: no I/O, no ORM."""
