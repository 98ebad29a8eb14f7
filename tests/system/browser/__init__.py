"""What an operator sees: the example shop with real processes, looked at through a real browser.

Only on purpose: ``pip install -e '.[test,browser]'``, a Chromium, then ``pytest tests/system/browser``.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "example_project"))  # the demonstration's stage is used
