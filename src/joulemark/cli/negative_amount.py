"""Amounts that begin with a minus sign, which a parser takes for options."""

from __future__ import annotations

import re
from typing import Any

import typer.core

_NEGATIVE = re.compile(r"-(\d|\.\d|nan|inf)", re.IGNORECASE)


class AmountCommand(typer.core.TyperCommand):
    """A command that gets ``-5kWh`` as an amount, so that it can say in its own words what is wrong with it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """A leading space, which amounts are stripped of, hides the minus sign from the parser."""
        return super().parse_args(ctx, [f" {text}" if _NEGATIVE.match(text) else text for text in args])
