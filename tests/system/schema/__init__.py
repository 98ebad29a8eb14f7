"""The REST API against its own schema: ``pytest tests/system/schema``. Needs ``pip install -e '.[api]'``."""
