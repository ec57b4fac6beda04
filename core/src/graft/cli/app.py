"""The `graft` command: global options, and commands that are imported when they are used, not when they are listed."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from graft.cli.session import JsonFlag, QuietFlag, Session, begin, session
from graft.errors import GraftError, PluginError, did_you_mean
from graft.plugins import CommandSpec, Plugins, TaskSpec


class LazyGroup(TyperGroup):
    """A group whose commands come from plugins. Listing shows their summaries; using one imports that one alone."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run; a `GraftError` is shown as text and becomes its exit code."""
        try:
            return super().main(*args, **extra)
        except GraftError as error:
            if session().debug:
                traceback.print_exception(error)
            print(f"graft: {error}", file=sys.stderr)
            sys.exit(error.exit_code)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the global options and begin the session that they describe."""
        begin(Session())  # for --help, which is answered while parsing
        rest = super().parse_args(ctx, _offline_first(args))
        given = ctx.params
        begin(Session(json=given["as_json"], quiet=given["quiet"], debug=given["debug"]))
        if given["offline"]:
            os.environ["GRAFT_OFFLINE"] = "1"
        return rest

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the tasks' verbs, then the commands."""
        try:
            session().plugins  # noqa: B018 - an invalid plugins.toml is said in place of the tasks that it hides
        except PluginError as error:
            session().console.warn(str(error))
        commands = session().plugins_or_core.commands()
        return sorted(commands, key=lambda name: not isinstance(commands[name], TaskSpec))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stub that has the command's name and summary."""
        spec = session().plugins_or_core.commands().get(cmd_name)
        if spec is None:
            return None
        panel = "Tasks: train, evaluate, predict, export" if isinstance(spec, TaskSpec) else "Other commands"
        return TyperCommand(cmd_name, help=spec.summary, rich_help_panel=panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command itself, imported now.

        Raises:
            PluginError: When it belongs to a broken plugin or to two, or its code cannot be imported.
        """
        plugins = session().plugins_or_core
        spec = plugins.commands().get(args[0])
        if spec is None:
            _refuse(ctx, args[0])
        return args[0], typer.main.get_command(_typer_app(spec, plugins)), args[1:]


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from graft.cli.versions import one_line

        print(one_line())
        raise typer.Exit


@app.callback()
def root(
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Never use the network; may stand behind a command, too.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of every error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the versions that matter.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Adapt a pretrained CNN to a new image domain.

    New here? [bold]graft demo[/bold] shows the whole way on generated images, without network or GPU.
    Your own images: [bold]graft TASK train FOLDER[/bold]; what FOLDER holds is in [bold]graft TASK train --help[/bold].
    """


def _offline_first(args: list[str]) -> list[str]:
    """Return the arguments with `--offline` in front, wherever it was typed before a `--`."""
    end = args.index("--") if "--" in args else len(args)
    kept = [arg for arg in args[:end] if arg != "--offline"]
    return [*["--offline"] * (len(kept) < end), *kept, *args[end:]]


def _typer_app(spec: CommandSpec | TaskSpec, plugins: Plugins) -> typer.Typer:
    if isinstance(spec, TaskSpec):
        from graft.cli.verbs import task_app

        name = next(name for name, task in plugins.specs(TaskSpec).items() if task is spec)
        return task_app(name)
    found = plugins.target(spec)
    if not isinstance(found, typer.Typer):
        owner = plugins.owner(spec)
        raise PluginError(f"command {spec.name!r} of plugin {owner} is no typer.Typer: {spec.target}")
    return found


def _refuse(ctx: Any, name: str) -> NoReturn:
    """Raise the error for a command that does not exist, with the most likely reason."""
    plugins = session().plugins  # raises where an invalid plugins.toml hides the command
    known = plugins.commands()
    if rivals := [command for command in known if command.endswith(f":{name}")]:
        raise PluginError(f"two plugins offer the command {name!r}", fix=f"write {' or '.join(rivals)}")
    hint = did_you_mean(name, known)
    if hint is None and plugins.broken:
        broken = "; ".join(f"{plugin} ({plugin.cause})" for plugin in plugins.broken)
        raise PluginError(
            f"there is no command {name!r}; it may belong to a plugin that is broken: {broken}", fix="graft doctor"
        )
    verbs = [f"graft {word} {name}" for word, spec in known.items() if _has(spec, name)]
    if verbs:
        ctx.fail(f"No such command {name!r}: it stands behind a task, as in {' or '.join(verbs)}")
    ctx.fail(f"No such command {name!r}" + (f" ({hint})" if hint else "."))
    raise AssertionError("ctx.fail always raises")


def _has(spec: CommandSpec | TaskSpec, verb: str) -> bool:
    """Return whether a task has the command `verb`."""
    if not isinstance(spec, TaskSpec):
        return False
    group = typer.main.get_command(_typer_app(spec, session().plugins))
    return verb in getattr(group, "commands", {})


def command() -> LazyGroup:
    """Return the root command, ready to run."""
    group = typer.main.get_command(app)
    if not isinstance(group, LazyGroup):
        raise TypeError(f"typer made a {type(group).__name__} of the root app")
    return group
