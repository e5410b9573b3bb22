"""Student's t distribution, for intervals from a few repetitions, without a numerical library.

Degrees of freedom may be fractions, as those of Welch and Satterthwaite are.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_FRACTION_STEPS_N = 1000  # of a continued fraction; 4,000 degrees need about a hundred


def t_quantile(probability: float, freedom_n: float) -> float:
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


def t_probability(t: float, freedom_n: float) -> float:
    """The distribution function of Student's t.

    For whole degrees of freedom the finite series of Abramowitz and Stegun, Handbook of Mathematical Functions (1964),
    26.7.3 and 26.7.4; for fractions their 26.7.1, by the incomplete beta function. Above 4,000 degrees the normal
    distribution with their 26.7.8 correction is closer than 1e-7.
    """
    if freedom_n > 4000:
        shrunk = t * (1 - 1 / (4 * freedom_n)) / math.sqrt(1 + t * t / (2 * freedom_n))
        return NormalDist().cdf(shrunk)
    if freedom_n == int(freedom_n):
        return 0.5 + _two_sided(t, int(freedom_n)) / 2
    tails = _beta_ratio(freedom_n / (freedom_n + t * t), t * t / (freedom_n + t * t), freedom_n / 2, 0.5)
    return 1 - tails / 2 if t > 0 else tails / 2


def _two_sided(t: float, freedom_n: int) -> float:
    angle = math.atan2(t, math.sqrt(freedom_n))
    cosine, sine = math.cos(angle), math.sin(angle)
    term, series = 1.0, 0.0
    if freedom_n % 2 == 1:
        term = cosine
        for k in range(1, (freedom_n - 1) // 2 + 1):
            series += term
            term *= cosine * cosine * 2 * k / (2 * k + 1)
        return 2 / math.pi * (angle + sine * series)
    for k in range(1, freedom_n // 2 + 1):
        series += term
        term *= cosine * cosine * (2 * k - 1) / (2 * k)
    return sine * series


def _beta_ratio(x: float, rest: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I(a, b) at ``x``, of which ``rest`` is 1 − x, exactly.

    The continued fraction of Abramowitz and Stegun 26.5.8, on the side on which it converges fast, evaluated forwards
    as Lentz (1976) does, in the form of Thompson and Barnett, J. Comput. Phys. 64 (1986).
    """
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_ratio(rest, x, b, a)
    tiny = 1e-300
    value, upper, lower = 1.0, 1.0, 0.0
    for step_i in range(_FRACTION_STEPS_N):
        m = step_i // 2
        if step_i == 0:
            term = 1.0
        elif step_i % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / ((1 + term * lower) or tiny)
        upper = (1 + term / upper) or tiny
        value *= upper * lower
        if step_i and abs(upper * lower - 1) < 1e-15:
            break
    # ``value`` is 1 plus the fraction, whose first numerator is 1.
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(scale) * (value - 1) / a
