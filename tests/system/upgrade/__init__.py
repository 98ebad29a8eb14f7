"""What a site lives through when it upgrades: databases of 1.0.0, and processes of two versions side by side.

``dumps/`` has databases that 1.0.0 has written, the wheel beside them is 1.0.0 itself. Both are made by
``python -m tests.support.release``, and stay as they are when the code changes: that is their use.
"""
