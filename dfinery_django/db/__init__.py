"""Database tools beyond the ORM: savepoints, retry, written SQL, columns, the shared clock.

It knows no event and no destination. Every package above ``text`` may import it.
"""
