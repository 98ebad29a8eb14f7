"""The admin: what was sent, what waits, and why. Read only; nothing is added, changed or deleted by hand."""

from __future__ import annotations
