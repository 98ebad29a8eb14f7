"""The files that are published: ``pytest tests/system/package``. Needs the extra ``dev``, and no network."""
