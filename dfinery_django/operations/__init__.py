"""Operations on stored events: select, resend, rebuild, cancel, forget, prune.

They send nothing; a drain does. ``delivery`` and the doors may import them.
"""
