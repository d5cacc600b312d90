"""How much a command says: `-q` and `-v`, which every command has."""

from __future__ import annotations

import click

_KEY = "edge_mnv3.verbosity"
QUIET, NORMAL, VERBOSE = -1, 0, 1


def verbosity() -> int:
    """What the user asked for; `NORMAL` outside of commands."""
    context = click.get_current_context(silent=True)
    return NORMAL if context is None else int(context.meta.get(_KEY, NORMAL))


def add_verbosity(command: click.Command) -> None:
    """Gives a command `-q` and `-v`, once."""
    if not any(param.name == "quiet" for param in command.params):
        command.params += [
            _flag("quiet", QUIET, "Show no progress: the result, warnings and errors only."),
            _flag("verbose", VERBOSE, "Show each step in a line of its own, and where an error comes from."),
        ]


def _flag(name: str, level: int, says: str) -> click.Option:
    def note(ctx: click.Context, _: click.Parameter, given: bool) -> None:
        if given:
            ctx.meta[_KEY] = level

    return click.Option(
        [f"-{name[0]}", f"--{name}"], is_flag=True, expose_value=False, callback=note, help=says
    )
