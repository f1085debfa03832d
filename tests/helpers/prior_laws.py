"""Table 1 of the paper, its section 6.2 and the wide ranges, written down a second time with scipy."""

from scipy.stats import norm, truncnorm, uniform


def cut(loc, scale, low, high):
    return truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale)


def between(low, high):
    return uniform(low, high - low)


SHARED = {"log10_lambda_df": between(-3, 1), "beta0": between(0, 0.9), "r_dehnen": between(10, 15)}
OBSERVED = {
    "ra_lmc": between(60, 90),
    "dec_lmc": between(-80, -50),
    "distance_lmc": norm(49.6, 5),
    "v_los_lmc": norm(262.2, 10),
    "pm_ra_lmc": norm(1.9, 0.25),
    "pm_dec_lmc": norm(0.33, 0.25),
}
WIDE = {
    "ra_lmc": between(0, 120),
    "dec_lmc": between(-80, -50),
    "distance_lmc": between(30, 60),
    "v_los_lmc": between(50, 380),
    "pm_ra_lmc": between(1, 3),
    "pm_dec_lmc": between(-2.75, 1.25),
}
MASSES = {"m200_mw": cut(15e11, 5e11, 1e11, 100e11), "m_lmc": cut(15e10, 10e10, 2.5e10, 100e10)}
LAWS = {
    "gaussian": SHARED | OBSERVED | MASSES,
    "flat": SHARED | OBSERVED | {"m200_mw": between(1e11, 100e11), "m_lmc": between(2.5e10, 100e10)},
    "wide": SHARED | WIDE | MASSES,
}


def enclosed_law(m_lmc):
    """Law of the LMC's mass within 8.7 kpc, given its mass."""
    return cut(1.7e10, 0.7e10, 0.3e10, 0.8 * m_lmc)
