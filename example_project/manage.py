#!/usr/bin/env python
"""The command line of the example shop."""

import os
import sys
from pathlib import Path

# Lets the example run from a checkout, whether or not dfinery_django is installed.
sys.path.append(str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
