"""summary-9 at fixed numbers of training simulations: points of a learning curve."""

from __future__ import annotations

from mwlmc_data.scoring.tasks.summary import Summary9


class Budget1000(Summary9):
    """As summary-9, learnt from the first 1,000 training simulations."""

    name = "budget-1000"
    budget = 1_000


class Budget10000(Summary9):
    """As summary-9, learnt from the first 10,000 training simulations."""

    name = "budget-10000"
    budget = 10_000


class Budget100000(Summary9):
    """As summary-9, learnt from the first 100,000 training simulations."""

    name = "budget-100000"
    budget = 100_000
