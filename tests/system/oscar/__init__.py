"""The app inside a django-oscar shop: its tests, and ``python -m tests.system.oscar``, the run.

Both need django-oscar, which the ordinary tests do not, and have an environment of their own in ``tox.ini``:

    pytest tests/system/oscar
    python -m tests.system.oscar --orders 60 --seed 1

checkout, partner, shipping · what every oscar shop forks, to take payment, to charge tax and to ship
settings · oscar's own, with what docs/map/oscar.md says      shop · a catalogue, and customers with browsers
wakes · the fastest worker there could be                 judge · events against the shop's tables
plan · what each customer of the run will do              run · does it; report · the table
"""
