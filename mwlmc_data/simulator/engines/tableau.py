"""Coefficients of the Runge-Kutta-Nystroem pair 8(6) of Dormand, El-Mikkawy & Prince (1987).

For ``x'' = f(t, x)`` a step h from (t, x, v) forms nine stages

    f_i = f(t + c_i h, x + c_i h v + h^2 sum_j A_ij f_j)

and the solution of order 8

    x(t + h) = x + h v + h^2 sum_i B_i f_i,        v(t + h) = v + h sum_i B'_i f_i.

The last stage is at the new point (its row of A is B), so that it is the first stage of the next step. ``h^2 E.f``
and ``h E'.f`` are the differences from the embedded solution of order 6, the estimates of the error.
(IMA Journal of Numerical Analysis 7, 423; pair "RKN8(6)9FM".) Tests check the order conditions.
"""

# ruff: noqa: E501
from __future__ import annotations

import numpy as np

#: Times of the stages.
C = np.array([0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 1.0])
#: Weights of earlier stages in a stage's position, (9, 8).
A = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.00125, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0016666666666666668, 0.0033333333333333335, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.045, -0.09, 0.09, 0.0, 0.0, 0.0, 0.0, 0.0],
        [-0.3379798532571243, 0.8611516478170984, -0.48613644655235316, 0.0879646519923791, 0.0, 0.0, 0.0, 0.0],
        [0.7461462641043086, -1.804347430246737, 1.2761518285888953, -0.031220932716737166, 0.05827027027027027, 0.0, 0.0, 0.0],
        [-1.2551623461807584, 3.257463187064823, -2.068866619575089, 0.4206478455603251, -0.018382978723404254, 0.06930091185410335, 0.0, 0.0],
        [3.772901830095941, -9.669613121677195, 6.7991544547851674, -0.8490343907823893, 0.4671734865470852, -0.04939742152466368, 0.028815162556053812, 0.0],
        [0.028092718568909044, 0.0, 0.1457093253968254, 0.1529431216931217, 0.09151785714285714, 0.06554705215419501, 0.01618992504409171, 0.0],
    ]
)
#: Weights of the stages in the position.
B = np.array([0.028092718568909044, 0.0, 0.1457093253968254, 0.1529431216931217, 0.09151785714285714, 0.06554705215419501, 0.01618992504409171, 0.0, 0.0])
#: Weights of the stages in the velocity.
B_PRIME = np.array([0.028092718568909044, 0.0, 0.1618992504409171, 0.2184901738473167, 0.18303571428571427, 0.2184901738473167, 0.1618992504409171, 0.028092718568909044, 0.0])
#: Difference from the embedded position.
E = np.array([-0.044557986852984274, 0.0, 0.109654420771016, -0.14620589436135467, 0.1315853049252192, -0.06265966901200914, 0.012183824530112887, 0.0, 0.0])
#: Difference from the embedded velocity.
E_PRIME = np.array([-0.044557986852984274, 0.0, 0.12183824530112887, -0.2088655633733638, 0.2631706098504384, -0.2088655633733638, 0.12183824530112887, 0.10544201314701573, -0.15])
