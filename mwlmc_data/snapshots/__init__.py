"""Simulations of other codes as validation cases: a snapshot is read, oriented like the Galaxy, and fitted."""

from mwlmc_data.snapshots.measuring import measure
from mwlmc_data.snapshots.preparing import Tracers, prepare
from mwlmc_data.snapshots.reading import read
from mwlmc_data.snapshots.snapshot import Snapshot

__all__ = ["Snapshot", "Tracers", "measure", "prepare", "read"]
