"""Student's t distribution, for intervals from a few repetitions, without a numerical library."""

from __future__ import annotations

import math
from statistics import NormalDist


def t_quantile(probability: float, freedom_n: int) -> float:
    """The quantile of Student's t distribution, found on its exact distribution function by bisection.

    Above 300 degrees it is the expansion of Abramowitz and Stegun (1964), 26.7.5, which there is closer than 1e-7.

    Raises :class:`ValueError` outside 0.5 ≤ ``probability`` < 1 or below one degree of freedom.
    """
    if not 0.5 <= probability < 1 or freedom_n < 1:
        raise ValueError(f"no quantile {probability} of t with {freedom_n} degrees of freedom")
    if freedom_n > 300:
        z = NormalDist().inv_cdf(probability)
        first = (z**3 + z) / 4
        second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + first / freedom_n + second / freedom_n**2 + third / freedom_n**3
    low, high = 0.0, 1.0
    while t_probability(high, freedom_n) < probability:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if t_probability(middle, freedom_n) < probability:
            low = middle
        else:
            high = middle
        if middle in (low, high) and math.nextafter(low, high) == high:
            break
    return (low + high) / 2


def t_probability(t: float, freedom_n: int) -> float:
    """The distribution function of Student's t for whole degrees of freedom.

    The finite series of Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4. Above
    4,000 degrees the normal distribution with their 26.7.8 correction is closer than 1e-7.
    """
    if freedom_n > 4000:
        shrunk = t * (1 - 1 / (4 * freedom_n)) / math.sqrt(1 + t * t / (2 * freedom_n))
        return NormalDist().cdf(shrunk)
    angle = math.atan2(t, math.sqrt(freedom_n))
    cosine, sine = math.cos(angle), math.sin(angle)
    term, series = 1.0, 0.0
    if freedom_n % 2 == 1:
        term = cosine
        for k in range(1, (freedom_n - 1) // 2 + 1):
            series += term
            term *= cosine * cosine * 2 * k / (2 * k + 1)
        two_sided = 2 / math.pi * (angle + sine * series)
    else:
        for k in range(1, freedom_n // 2 + 1):
            series += term
            term *= cosine * cosine * (2 * k - 1) / (2 * k)
        two_sided = sine * series
    return 0.5 + two_sided / 2
