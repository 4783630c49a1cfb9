"""The subcommands of `godwit`, one module each.

The command is named after its module, and the first line of the module's docstring is its help. `add_arguments(parser)`
declares its arguments, and `run(args)` executes it and returns the exit code. Slow imports belong in `run`.
"""


class Failed(Exception):
    """Raised when a command cannot do its job, with one line that says why and, where possible, what to do."""
