"""The `ringfence` command: hosts services, and what operators need. Each group is a module of `services.commands`."""

import typer

from services.commands import audit, migrate, run
from services.commands.failures import Reporting
from shared.logging import configure_logging

app = typer.Typer(
    name="ringfence",
    cls=Reporting,
    help="Real-time prepaid billing: run it, look after it. Reads .ringfence/env where the environment says nothing.\n\n"
    "Exit codes: 0 done, 1 refused or found wanting, 2 could not (wrong usage, a server out of reach).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def quietly() -> None:
    configure_logging("error", "console")


app.command()(run.run)
app.command()(migrate.migrate)
app.command()(audit.audit)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
