"""What is wrong with results: general rules over any results folder, each with a code, a remedy and an explanation."""

from __future__ import annotations

from collections.abc import Sequence

from joulemark.analysis.audit import claim_rules, comparison_rules, repetition_rules, scope_rules
from joulemark.analysis.audit.findings import Evidence, Finding, Rule, Severity, evidence

__all__ = ["RULES", "Evidence", "Finding", "Rule", "Severity", "audit", "evidence", "find_rule"]

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (*scope_rules.RULES, *claim_rules.RULES, *repetition_rules.RULES, *comparison_rules.RULES),
        key=lambda rule: rule.code,
    )
)


def audit(found: Evidence, rules: Sequence[Rule] = RULES) -> tuple[Finding, ...]:
    """All findings of all rules, in the order of the codes; none for results that nothing is wrong with."""
    return tuple(
        Finding(rule.code, one.severity or rule.severity, one.subject, one.message, one.remedy or rule.remedy)
        for rule in rules
        for one in rule.check(found)
    )


def find_rule(code: str) -> Rule | None:
    """The rule of a code, in any case; ``None`` where there is none."""
    return next((rule for rule in RULES if rule.code == code.upper()), None)
