"""The subcommands of `godwit`, one module each.

The module's name is the command's; its docstring's first line is its help. `add_arguments(parser)` declares what it
takes and `run(args)` does it and answers the exit code. What is slow to import is imported in `run`.
"""


class Failed(Exception):
    """The command cannot do what it was asked: one line that says why and, where possible, what to do."""
