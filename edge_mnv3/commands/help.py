"""`edge-mnv3 help`."""

from __future__ import annotations

import click


@click.command("help")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show how edge-mnv3 or one of its commands is used.

    \b
    Examples:
      edge-mnv3 help
      edge-mnv3 help quantize
      edge-mnv3 help benchmark-binary fetch
    """
    at = ctx.find_root()
    for name in names:
        group = at.command
        found = group.resolve_command(at, [name])[1] if isinstance(group, click.Group) else None
        if found is None:
            ctx.fail(f"'{at.info_name}' has no commands of its own: '{name}' is too much.")
        at = found.context_class(found, info_name=name, parent=at)
    click.echo(at.get_help())
