"""The `ringfence` command: hosts services, and what operators need. Each group is a module of `services.commands`."""

import typer

from services.commands import account, archive, audit, brake, check, dead, migrate, prices, rate, run
from services.commands.failures import Reporting
from shared.logging import configure_logging

app = typer.Typer(
    name="ringfence",
    cls=Reporting,
    help="Real-time prepaid billing: run it, look after it.\n\n"
    "Reads .ringfence/env, which `run` writes, where the environment says nothing.\n\n"
    "Exit codes: 0 done, 1 refused or found wanting, 2 could not (wrong usage, a server out of reach).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def quietly() -> None:
    """A command says what it has to say itself; `run` turns the log on."""
    configure_logging("critical", "console")


app.command()(run.run)
app.command()(migrate.migrate)
app.command()(audit.audit)
app.add_typer(check.app, name="check")
app.add_typer(account.app, name="account")
app.add_typer(prices.app, name="prices")
app.command()(rate.rate)
app.add_typer(dead.app, name="dead")
app.add_typer(brake.app, name="brake")
app.add_typer(archive.app, name="archive")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
