"""What became of the domains of a fleet: counts, the errors in order, where each search started from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgraft.reports.figures import ABSENT, finite, plain, quantity
from netgraft.reports.points import error_label

Fleet = Mapping[str, Any]
Domain = Mapping[str, Any]


def domains_of(fleet: Fleet, *states: str) -> list[Domain]:
    """Return the domains in one of the states, in the order of the fleet."""
    return [domain for domain in fleet.get("domains") or [] if domain.get("state") in states]


def by_error(fleet: Fleet) -> list[Domain]:
    """Return the domains that are done and have an error, the largest error first."""
    known = [domain for domain in domains_of(fleet, "done") if finite(domain.get("error")) is not None]
    return sorted(known, key=lambda domain: -domain["error"])


def start_of(domain: Domain) -> str:
    """Return where a domain's search started from.

    >>> start_of({"state": "done", "sources": ["energy/A"], "transfer": {"decision": "refused"}})
    'cold: energy/A refused'
    """
    if domain.get("state") != "done":
        return ABSENT
    sources = ", ".join(str(name) for name in domain.get("sources") or [])
    if not sources:
        return "cold"
    return f"from {sources}" if is_warm(domain) else f"cold: {sources} refused"


def is_warm(domain: Domain) -> bool:
    """Return whether a domain's search started from earlier models, and the guard accepted it."""
    return bool(domain.get("sources")) and (domain.get("transfer") or {}).get("decision") == "accepted"


def describe_fleet(fleet: Fleet) -> list[str]:
    """Return sentences: how many domains are done, how many started from earlier models, how the errors lie."""
    done, total = domains_of(fleet, "done"), len(fleet.get("domains") or [])
    said = [f"{len(done)} of {total} domains have a front."]
    others = {state: len(domains_of(fleet, state)) for state in ("failed", "skipped", "open")}
    told = [f"{count} {state}" for state, count in others.items() if count]
    if told:
        said[0] = f"{len(done)} of {total} domains have a front ({', '.join(told)})."
    offered = [domain for domain in done if domain.get("sources")]
    if offered:
        warm = sum(map(is_warm, offered))
        left = len(offered) - warm
        said.append(f"{len(offered)} had earlier models to start from: the guard accepted {warm}, refused {left}.")
    errors = by_error(fleet)
    if len(errors) > 1:
        worst, best = errors[0], errors[-1]
        said.append(
            f"The error is largest for {worst['value']} ({plain(worst['error'])}, {quantity(worst.get('rows'))} rows)"
            f" and least for {best['value']} ({plain(best['error'])})."
        )
    return said


def error_name(fleet: Fleet) -> str:
    """Return what the error of the domains means, such as `1 - R²`."""
    return error_label(fleet)
