"""``joulemark audit``: what is wrong with results, by general rules."""

from __future__ import annotations

import difflib
import sys
from dataclasses import asdict

from joulemark.analysis.audit import RULES, Finding, audit, evidence, find_rule
from joulemark.analysis.claims import claims_of
from joulemark.analysis.results import open_results, runs_of
from joulemark.cli.table import counted, print_json, printable
from joulemark.failures import MendableError


def show_audit(place: str, json_out: bool) -> None:
    """Print all findings. Exits with 1 if there are any."""
    results = open_results(place)
    if results.folder is None:
        raise MendableError(f"{place} has means, and the audit reads runs: import the logs, then audit that folder")
    study, runs = results.study, runs_of(results)
    claims = claims_of(study.name, results.folder)
    findings = audit(evidence(study, runs, results.machines, claims))
    if json_out:
        print_json(
            {
                "study": study.name,
                "runs_n": len(runs),
                "rules_n": len(RULES),
                "claims_n": len(claims),
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        for finding in findings:
            _print(finding)
        print(f"{counted(len(findings), 'finding')} in {counted(len(runs), 'run')} by {len(RULES)} rules.", end="")
        print(f"   joulemark audit --explain {findings[0].code}" if findings else "")
    sys.exit(1 if findings else 0)


def explain_rule(code: str, json_out: bool = False) -> None:
    """Print what a rule tests, and why."""
    rule = find_rule(code)
    if rule is None:
        codes = [known.code for known in RULES]
        near = difflib.get_close_matches(code.upper(), codes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(codes)}"
        raise MendableError(f"no rule {printable(code)}; {hint}")
    if json_out:
        words = ("code", "severity", "title", "explanation", "remedy")
        print_json({word: str(getattr(rule, word)) for word in words})
        return
    print(f"{rule.code}   {rule.title}   ({rule.severity})\n\n{rule.explanation}\n\nWhat to do: {rule.remedy}")


def _print(finding: Finding) -> None:
    print(f"{finding.code}  {finding.severity:<8}{printable(finding.subject)}: {printable(finding.message)}")
    print(f"{'':15}→ {printable(finding.remedy)}\n")
