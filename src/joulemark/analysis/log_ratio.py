"""The ratio of two means that were measured apart, with the interval and the p-value that its logarithm gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from joulemark.analysis.interval import CONFIDENCE
from joulemark.student import t_probability, t_quantile

_TWO_SIDED = (1 + CONFIDENCE) / 2
_Z = NormalDist().inv_cdf(_TWO_SIDED)
_FREEDOM_MAX = 1e6  # a t distribution with so many degrees is the normal one


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean of ``n`` values and the standard deviation of their logarithms, ``None`` below two values."""

    mean: float
    log_sd: float | None
    n: int

    @property
    def log_variance(self) -> float:
        """Of the logarithm of the mean; zero where one value does not tell."""
        return 0.0 if self.log_sd is None else self.log_sd**2 / self.n


@dataclass(frozen=True, slots=True)
class LogRatio:
    """A ratio, its 95 % interval, and how likely one as far from 1 is where there is no difference.

    The bounds and ``p`` are ``None`` where they cannot be said.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 1, which is the same as ``p`` below 0.05."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def unpaired_ratio(first: Spread, second: Spread, below: float = 0.0, above: float = 0.0) -> LogRatio:
    """``first`` ÷ ``second``, whose repetitions have nothing in common, so that they cannot be paired.

    With L = log(mean₁ ÷ mean₂), the variance of L is V = s₁²/n₁ + s₂²/n₂, s the standard deviations of the logarithms
    (for small spreads that of the logarithm of a mean, too). To it comes the sensors' part as a standard uncertainty
    u = (half-width at 95 %) ÷ 1.96, as known as if it came of infinitely many repetitions. The degrees of freedom are
    ν = (V + u²)² ÷ (v₁²/(n₁ − 1) + v₂²/(n₂ − 1)), v = s²/n: Welch, "The generalization of 'Student's' problem when
    several different population variances are involved", Biometrika 34 (1947), with the degrees of freedom of
    Satterthwaite (1946), which JCGM 100:2008 (GUM), G.4.1, extends to uncertainties of other origin. The interval is
    exp(L ± t(0.975, ν) √(V + u²)), and p = 2 (1 − F(|L| ÷ √(V + u²), ν)). ν is not cut to a whole number: with two or
    three repetitions that would make the interval up to twice as wide, and cover 98 to 99 %.

    ``below`` and ``above`` are the sensors' half-widths on the logarithm of the ratio; the one on the side of 1 decides
    on p. With a single value on a side there is no interval. Both means must be positive.
    """
    value = first.mean / second.mean
    if first.n < 2 or second.n < 2:
        return LogRatio(value, None, None, None)
    parts = [(first.log_variance, first.n - 1), (second.log_variance, second.n - 1)]
    return _ratio(math.log(value), parts, below, above)


def mean_ratio(logs: Spread, below: float = 0.0, above: float = 0.0) -> LogRatio:
    """The geometric mean of ratios over ``logs.n`` models; ``logs.mean`` is the mean of their logarithms.

    Student's t on the logarithms, for models like these. The sensors' part, common to all models, is joined as in
    :func:`unpaired_ratio`: it does not shrink with the number of models.
    """
    if logs.n < 2:
        return LogRatio(math.exp(logs.mean), None, None, None)
    return _ratio(logs.mean, [(logs.log_variance, logs.n - 1)], below, above)


def _ratio(log: float, parts: list[tuple[float, int]], below: float, above: float) -> LogRatio:
    low_u, low_n = _uncertainty(parts, below)
    high_u, high_n = _uncertainty(parts, above)
    towards_u, towards_n = (low_u, low_n) if log > 0 else (high_u, high_n)
    p = 1.0
    if log != 0:
        p = 2 * (1 - t_probability(abs(log) / towards_u, towards_n)) if towards_u > 0 else 0.0
    return LogRatio(
        math.exp(log),
        math.exp(log - t_quantile(_TWO_SIDED, low_n) * low_u),
        math.exp(log + t_quantile(_TWO_SIDED, high_n) * high_u),
        min(1.0, max(0.0, p)),
    )


def _uncertainty(parts: list[tuple[float, int]], sensors: float) -> tuple[float, float]:
    """The standard uncertainty of variances, each with its degrees of freedom, and sensors; and the degrees of both."""
    variance = math.fsum(one for one, _ in parts) + (sensors / _Z) ** 2
    by_freedom = math.fsum(one**2 / freedom_n for one, freedom_n in parts)
    if by_freedom <= variance**2 / _FREEDOM_MAX:
        return math.sqrt(variance), _FREEDOM_MAX
    return math.sqrt(variance), max(1.0, variance**2 / by_freedom)


def sensors_apart(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """How far down and up a ratio may be off by two sensors that have nothing in common.

    Each of ``first`` and ``second`` is how far its value may be off down and up, as logarithms. The ratio is too low
    where the first is too low or the second too high.
    """
    return math.hypot(first[0], second[1]), math.hypot(first[1], second[0])


def common_tolerance(shares: list[tuple[float, float, float]]) -> tuple[float, float] | None:
    """How far down and up a ratio may be off by the tolerances of sensors that both sides were measured with.

    ``shares`` has for each channel the first's and the second's share of energy from it, and its tolerance as a
    logarithm. A channel that is wrong by a factor f changes the ratio by (1 + a (f − 1)) ÷ (1 + b (f − 1)), a and b
    the shares: nothing where they are equal. Channels are joined as independent. ``None`` where a share is so far below
    zero, above idle, that this has no logarithm.
    """
    below = above = 0.0
    for first, second, tolerance_log in shares:
        changes = []
        for factor in (math.exp(tolerance_log), math.exp(-tolerance_log)):
            over, under = 1 + first * (factor - 1), 1 + second * (factor - 1)
            if over <= 0 or under <= 0:
                return None
            changes.append(math.log(over / under))
        below, above = math.hypot(below, -min(0.0, *changes)), math.hypot(above, max(0.0, *changes))
    return below, above
