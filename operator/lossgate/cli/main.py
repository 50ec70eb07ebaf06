"""Entry point of the program."""

from __future__ import annotations

import asyncio
import logging

import click

from lossgate.cli.exits import Program
from lossgate.cli.orders import COMMANDS
from lossgate.cli.plan import plan
from lossgate.cli.replay import replay
from lossgate.cli.revision import revision
from lossgate.cli.status import status


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lossgate")
def main() -> None:
    """Puts a new model version into production by testing its loss against the old one on live traffic."""


@main.command()
def operator() -> None:
    """Run the operator, set up by the LOSSGATE_* environment variables."""
    # Imported here: the other commands need no cluster, and so no client of one.
    from lossgate.controller.operator import Operator
    from lossgate.controller.settings import Settings

    settings = Settings.from_environment()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(Operator(settings).run())


main.add_command(replay)
main.add_command(plan)
main.add_command(status)
main.add_command(revision)
for order in COMMANDS:
    main.add_command(order)
