"""The REST API against its own schema: ``pytest tests/api``. Needs ``pip install -e '.[api]'``."""
