"""The present-day stars of a halo, from a simulation or from a released file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mwlmc_data.arguments.tabular import as_vectors, refuse_misaligned
from mwlmc_data.array_types import Float32Array
from mwlmc_data.display import Displayed, number
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.orbit import Orbit, integrate_orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex import MOTION_NAMES, POSITION_NAMES, Reflex

if TYPE_CHECKING:
    import astropy.coordinates
    from matplotlib.figure import Figure, SubFigure


@dataclasses.dataclass(frozen=True, repr=False)
class Halo(Displayed):
    """A stellar halo today.

    Attributes
    ----------
    positions, velocities : ndarray, shape (n, 3), float32
        Galactocentric positions [kpc] and velocities [km/s] relative to the Milky Way's centre. They must be finite;
        quantities in other units are converted.
    source : str
        Where the stars come from: ``"simulation"``, ``"store"``, or ``"live"``, a live run.
    parameters : Parameters or None
        Parameters of the simulation that made the stars, if known.
    """

    positions: Float32Array
    velocities: Float32Array
    source: str = "simulation"
    parameters: Parameters | None = None

    def __post_init__(self) -> None:
        refuse_misaligned({"positions": self.positions, "velocities": self.velocities})
        largest = float(np.finfo(np.float32).max)
        x = as_vectors("positions", self.positions, POSITION_NAMES, "kpc", limit=largest)
        v = as_vectors("velocities", self.velocities, MOTION_NAMES, "km/s", len(x), limit=largest)
        object.__setattr__(self, "positions", x.astype(np.float32))
        object.__setattr__(self, "velocities", v.astype(np.float32))

    def _summary(self) -> str:
        text = ", ".join(f"{name} {value}" if name == "from" else value for name, value in self._rows()[:3])
        return text if self.parameters is None else f"{text}; {self.parameters.brief()}"

    def _rows(self) -> list[tuple[str, str]]:
        r = np.linalg.norm(self.positions.astype(float), axis=1)
        extent = f" at {number(r.min(), 3)} to {number(r.max(), 3)} kpc" if len(r) else ""
        rows = [
            ("stars", f"{len(r):,} stars{extent}"),
            ("outer stars", f"{int((r > const.FIT_R_MIN).sum()):,} beyond {const.FIT_R_MIN:g} kpc"),
            ("from", self.source),
        ]
        if self.parameters is not None:
            rows.append(("parameters", self.parameters.brief()))
        return rows

    def to_astropy(self) -> astropy.coordinates.SkyCoord:
        """The stars as an astropy coordinate in the Galactocentric frame, with units.

        Returns
        -------
        astropy.coordinates.SkyCoord
            ``.x``, ``.y``, ``.z`` [kpc] and ``.v_x``, ``.v_y``, ``.v_z`` [km/s] are `positions` and `velocities`; the
            frame is :func:`mwlmc_data.galactocentric_frame`. ``.galactic`` and ``.icrs`` give the sky as seen from the
            Sun of this package: l, b, distance, line-of-sight velocity and proper motions.

        Examples
        --------
        >>> stars = load_halo(0).to_astropy()                              # doctest: +SKIP
        >>> stars.galactic.l, stars.icrs.radial_velocity                   # doctest: +SKIP
        """
        from mwlmc_data.simulator.astropy_frame import galactocentric_frame

        frame = galactocentric_frame()
        import astropy.units as u
        from astropy.coordinates import CartesianDifferential, CartesianRepresentation, SkyCoord

        motion = CartesianDifferential(*(self.velocities.T.astype(float) * u.km / u.s))
        place = CartesianRepresentation(*(self.positions.T.astype(float) * u.kpc), differentials={"s": motion})
        return SkyCoord(frame.realize_frame(place))

    def plot(
        self,
        r_min: float = const.FIT_R_MIN,
        orbit: Orbit | None = None,
        reflex: Reflex | None = None,
        kernel: float = 20.0,
        title: str | None = None,
        figure: Figure | SubFigure | None = None,
    ) -> Figure:
        """Draw the sky map of v_GSR with the apex of the reflex motion and the LMC's orbit, and radial profiles.

        Needs matplotlib (extra ``plot``). The figure does not use pyplot: no window opens and nothing has to be closed.
        A notebook shows it, and ``.savefig(path)`` writes it.

        Parameters
        ----------
        r_min : float
            Galactocentric radius [kpc] beyond which stars are mapped and fitted.
        orbit : Orbit, optional
            Orbit whose LMC is drawn on the sky; by default that of `parameters`, but of a live halo, whose run has the
            orbit. Without either, no orbit is drawn.
        reflex : Reflex, optional
            The reflex motion; by default it is fitted to the stars beyond `r_min`.
        kernel : float
            Width of the map's Gaussian smoothing [deg].
        title : str, optional
            Heading.
        figure : matplotlib.figure.Figure or SubFigure, optional
            An empty figure to draw in; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
            For a SubFigure, the figure that holds it.

        Raises
        ------
        ValueError
            If fewer than 20 stars lie beyond `r_min`, or `kernel` is not positive.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> figure = load_halo(7).plot()                                   # doctest: +SKIP
        >>> figure.savefig("halo.png", dpi=200)                            # doctest: +SKIP
        """
        from mwlmc_data.plotting.halo import plot_halo

        # a live halo's parameters do not hold its orbit: their friction means nothing
        if orbit is None and self.parameters is not None and self.source != "live":
            orbit = integrate_orbit(self.parameters)
        return plot_halo(self, r_min, orbit, reflex, kernel, title, figure)
