"""Physical constants and fixed numbers of the model.

Units are those of the package: kpc, km/s and Msun; the internal unit of time is kpc / (km/s) = 0.9778 Gyr. Section
numbers refer to Brooks et al. 2025 (arXiv:2507.10667, "the paper").
"""

from __future__ import annotations

import math

from mwlmc_data.dataset.schema import N_STARS as N_STARS

#: Version of the simulator's results: raised whenever the same parameters and seed give other stars.
SIMULATOR_VERSION = "1.1.0"

#: Gravitational constant [kpc km^2 s^-2 Msun^-1].
G = 4.30091727067736e-06
#: One internal unit of time, kpc / (km/s), in Gyr.
GYR_PER_TIME_UNIT = 0.977792221680789
#: Transverse velocity of 1 mas/yr at 1 kpc [km/s].
KMS_PER_MASYR_KPC = 4.740470463533349

#: Hubble constant [km/s/Mpc]; gives the paper's c200 = 14.5 for M200 = 9.1e11 Msun.
H0 = 69.32
#: Critical density 3 H0^2 / 8 pi G [Msun / kpc^3].
RHO_CRITICAL = 3.0 * (H0 / 1000.0) ** 2 / (8.0 * math.pi * G)

#: Sun: Galactocentric position [kpc] and velocity [km/s], right-handed axes parallel to Galactic l, b.
SUN_POSITION = (-8.3, 0.0, 0.02)
SUN_VELOCITY = (11.1, 244.24, 7.24)

#: Circular speed [km/s] at the radius [kpc] that sets the halo's concentration (sec. 2.1).
CIRCULAR_SPEED = 235.0
CIRCULAR_SPEED_RADIUS = 8.3

#: Bulge (sec. 2.1): rho ~ (1 + r / BULGE_SCALE)^-BULGE_SLOPE exp(-(r / BULGE_CUT)^2).
BULGE_MASS = 1.2e10
BULGE_SCALE = 0.2
BULGE_SLOPE = 1.8
BULGE_CUT = 1.8

#: Disc (sec. 2.1): rho ~ exp(-R / DISC_SCALE_LENGTH) sech^2(z / 2 DISC_SCALE_HEIGHT).
DISC_MASS = 5.0e10
DISC_SCALE_LENGTH = 3.0
DISC_SCALE_HEIGHT = 0.4

#: Radius [kpc] within which the LMC's mass is measured, and the mean of that mass [Msun].
LMC_ENCLOSED_RADIUS = 8.7
LMC_ENCLOSED_MASS = 1.7e10

#: Velocity dispersion [km/s] and maximum impact parameter [kpc] of the friction (eq. 7).
FRICTION_DISPERSION = 120.0
FRICTION_B_MAX = 100.0
#: Minimum impact parameter as a multiple of the LMC's scale radius (eq. 7).
FRICTION_B_MIN_SCALE = 1.6

#: Radius [kpc] about the centre of each galaxy within which a row of the catalogue gives its mass.
ENCLOSED_RADIUS = 50.0

#: How far back the LMC is rewound [Gyr].
REWIND_GYR = 2.2
#: Galactocentric radius [kpc] beyond which stars enter the reflex fit.
FIT_R_MIN = 50.0
