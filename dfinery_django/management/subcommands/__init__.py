"""The subcommands of ``manage.py dfinery``, a module each, with its arguments, its work and its output.

To add one, write its module, with a subclass of ``base.Subcommand``, and its name in ``commands.dfinery.SUBCOMMANDS``.
"""
