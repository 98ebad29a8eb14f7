"""The rules by which a model becomes an event: definitions, conditions, consent, scope, the registry.

They import no models of ours: a settings module may import them. Every package from ``building`` up may import them.
"""
