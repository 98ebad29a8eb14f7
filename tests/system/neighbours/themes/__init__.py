"""Every page of our admin under the common themes, and under none: ``pytest tests/system/neighbours/themes``."""
