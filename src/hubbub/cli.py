"""The command line. Heavy parts are imported by the command that needs them: `hubbub --help` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="hubbub: a self-hosted programmable voice conference server.", no_args_is_help=True, pretty_exceptions_enable=False)
outbox = typer.Typer(help="Notices to applications that wait, or were given up.", no_args_is_help=True)
app.add_typer(outbox, name="outbox")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file (default: ./hubbub.toml, else the development defaults).")
]


@app.command()
def serve(
    config: ConfigOption = None,
    drain: Annotated[float, typer.Option("--drain", help="Seconds to wait for calls to end after SIGTERM.")] = 0.0,
) -> None:
    """Run the server until SIGTERM."""
    import asyncio

    import uvloop

    from hubbub.configuration import load_settings
    from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
    from hubbub.logs import set_up_logs
    from hubbub.server import run
    from hubbub.settings import DEFAULT_FILE

    set_up_logs()
    settings = load_settings(config, development=DEVELOPMENT_ACCOUNT)
    if config is None and not DEFAULT_FILE.exists():
        _print_development_defaults(settings.accounts[0].faces)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings, drain_seconds=drain, announce=_announce))


@app.command()
def warm() -> None:
    """Compile the media engine ahead of the first start."""
    from hubbub.media.process import warm as compile_engine

    compile_engine()


@app.command()
def check(
    document: Annotated[str, typer.Argument(help="A file, a URL that is requested now, or - for standard input.")],
    dialect: Annotated[str, typer.Option("--dialect", help="The vocabulary; guessed when left out.")] = "",
    method: Annotated[str, typer.Option("--method", help="How a URL is requested: GET or POST.")] = "POST",
) -> None:
    """Compile a document and print what is wrong with it; exit 1 on errors."""
    import asyncio

    from hubbub.check import check_url
    from hubbub.dialects.lint import lint_document

    if document.startswith(("http://", "https://")):
        findings = asyncio.run(check_url(document, dialect, method=method.upper()))
    else:
        try:
            body = sys.stdin.buffer.read() if document == "-" else Path(document).read_bytes()
        except OSError as error:
            typer.echo(f"hubbub: {document}: {error.strerror}", err=True)
            raise typer.Exit(2) from None
        findings = lint_document(body, dialect)
    for finding in findings:
        typer.echo(f"{document}:{finding.line or 1}: {finding.level} {finding.code}: {finding.message}")
    errors = sum(1 for finding in findings if finding.level == "error")
    advice = sum(1 for finding in findings if finding.level == "advice")
    typer.echo(f"{errors} error(s), {len(findings) - errors - advice} warning(s)" + (f", {advice} piece(s) of advice" if advice else ""))
    raise typer.Exit(1 if errors else 0)


@app.command()
def signature(
    url: Annotated[str, typer.Argument(help="The URL exactly as it was requested.")],
    param: Annotated[list[str] | None, typer.Option("--param", help="A form parameter, NAME=VALUE; may be repeated.")] = None,
    secret: Annotated[str, typer.Option("--secret", envvar="HUBBUB_SECRET", help="The token or key that signs.")] = "",
    given: Annotated[str, typer.Option("--given", help="The signature that arrived: say which of these it is.")] = "",
) -> None:
    """Show the very text that is signed for a request, and its signatures; exit 1 when the given one is none of them."""
    from hubbub.webhooks.signatures import explained

    pairs = [(name, value) for name, _, value in (item.partition("=") for item in param or ())]
    found = False
    for title, text, made in explained(url, pairs, secret):
        found = found or (bool(given) and made == given)
        typer.echo(f"{title}\n  signed text: {text}\n  signature:   {made}" + ("   <- the given one" if given and made == given else ""))
    raise typer.Exit(1 if given and not found else 0)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running afterwards, and say how to reach it.")] = False,
) -> None:
    """Start a server, an application and callers who really speak; show and check what is heard."""
    from hubbub.demo import run_demo

    raise typer.Exit(run_demo(keep=keep))


@app.command()
def doctor(config: ConfigOption = None) -> None:
    """Look at the machine and the configuration; exit 1 on problems, each with what to do."""
    from hubbub.configuration import load_settings
    from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
    from hubbub.doctor import Diagnosis, examine, worst

    found: list[Diagnosis] = []
    for each in examine(load_settings(config, development=DEVELOPMENT_ACCOUNT)):
        found.append(each)
        typer.echo(f"{each.level:8} {each.about:11} {each.text}")
        if each.advice:
            typer.echo(f"{'':20} -> {each.advice}")
    typer.echo(f"{sum(each.level == 'problem' for each in found)} problem(s), {sum(each.level == 'warning' for each in found)} warning(s)")
    raise typer.Exit(1 if worst(found) == "problem" else 0)


@outbox.command("list")
def outbox_list(
    config: ConfigOption = None,
    state: Annotated[str, typer.Option("--state", help="dead (given up), due (waiting) or done (delivered).")] = "dead",
    account: Annotated[str, typer.Option("--account", help="Only this account's.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="No more than this.")] = 100,
) -> None:
    """List notices that no receiver took. Reads only."""
    import time

    from hubbub.letters import STATES, listed

    if state not in STATES:
        raise typer.BadParameter(f"must be one of {', '.join(STATES)}", param_hint="--state")
    letters = listed(_database(config), state, account=account, limit=limit)
    for each in letters:
        born = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each.created))
        typer.echo(f"{each.id} {born} {each.account} {each.event} {each.method} {each.url} attempts={each.attempts} {each.error}".rstrip())
    typer.echo(f"{len(letters)} notice(s)")


@outbox.command("replay")
def outbox_replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Identities from `outbox list`; none: all dead ones.")] = None,
    config: ConfigOption = None,
    account: Annotated[str, typer.Option("--account", help="Only this account's.")] = "",
) -> None:
    """Send dead notices again, in their old order; a running server takes them up within seconds."""
    from hubbub.letters import replay

    count = replay(_database(config), ids or (), account=account)
    typer.echo(f"{count} notice(s) will be sent again")
    raise typer.Exit(1 if ids and count < len(set(ids)) else 0)


def _database(config: Path | None) -> str:
    from hubbub.configuration import load_settings
    from hubbub.dialects.development import DEVELOPMENT_ACCOUNT

    return load_settings(config, development=DEVELOPMENT_ACCOUNT).storage.database


def _announce(text: str) -> None:
    print(text, flush=True)


def _print_development_defaults(faces: dict[str, dict[str, str]]) -> None:
    """Say what the built-in defaults are: they are well known, and served on loopback only."""
    _announce("no hubbub.toml: development defaults, loopback only; dial sip:ROOM@127.0.0.1:5060 to join a room")
    for face, values in faces.items():
        _announce(f"  {face}: " + "  ".join(f"{key}={value}" for key, value in values.items()))


def main() -> None:
    """Entry point: errors of configuration, and of a database that cannot be used, become one clear line."""
    from hubbub.errors import ConfigurationError, StorageUnavailable

    try:
        app()
    except (ConfigurationError, StorageUnavailable) as error:
        print(f"hubbub: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
