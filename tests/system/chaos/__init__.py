"""The chaos run: ``python -m tests.system.chaos --events 5000 --seed 1 --database postgresql --queue celery``.

A shop writes orders in several processes while workers are killed and restarted (the clock of one is two minutes
ahead), the server misbehaves, the database drops connections, some orders bear a moment that nobody can send, and a
charset can't hold what is said; then everything heals, and every event is accounted for.

plan · what the shop will do, and how each order must end        shop · a process that does it
server · the far side, and the log of all that reached it        protocol · tells the far side who sent
databases · a database of the run's own, its faults              ledger · triggers that write down every change
crew · the workers, and what is done to them                     run · all of it together
evidence · what was left behind                                  judge · what of it must not be; report · the table
"""
