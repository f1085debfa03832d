"""From the conventions of the sources to those of the package.

The package's travel velocity is that of the disc relative to the halo, and its apex is where the disc is going
(`mwlmc_data.simulator.reflex`). Stars of the halo around the apex approach.
"""

from __future__ import annotations

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.arguments.arrays import as_float


def convert_dipole(v_dipole: float, longitude: float, latitude: float) -> dict[str, float]:
    """Convert a dipole of radial velocities to the motion of the disc.

    The dipole is ``v(n) = v_dipole cos(angle between n and (longitude, latitude))``, as in eq. 10 of Bystrom et al.
    (2025). A disc that moves at v_travel towards the apex sees the halo at ``-v_travel cos(angle from the apex)``: a
    negative dipole points to the apex, a positive one away from it.

    Parameters
    ----------
    v_dipole : float
        Amplitude [km/s], of either sign.
    longitude, latitude : float
        Galactic direction of the dipole [deg].

    Returns
    -------
    dict of str to float
        v_travel [km/s], l_apex in (-180, 180], b_apex [deg].

    Raises
    ------
    ValueError
        If a number is not finite, or the latitude is beyond a pole.
    """
    speed = as_float("v_dipole", v_dipole, unit="km/s")
    l = as_float("longitude", longitude, unit="deg")
    b = as_float("latitude", latitude, unit="deg", minimum=-90.0, maximum=90.0)
    if speed > 0.0:
        l, b = l + 180.0, -b
    return {"v_travel": abs(speed), "l_apex": float(wrap_degrees(l)), "b_apex": b}
