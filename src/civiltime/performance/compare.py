"""Judging a candidate build: POPT.1 to POPT.3.

The law (specification 5.7): two timing artefacts are compared only when they are the two sides of
one sitting, on one machine, of the same inputs.  ``GO`` needs all of these, ``HOLD`` names what is
missing:

1. *equivalent*: both sides published the same bytes, or files that say the same where the writer
   changed (:mod:`civiltime.performance.content`); of the run and of every witness;
2. *downstream_green*: every validator of the candidate ran and none failed, to S5; its ``verify``
   accepts the run, and refuses it damaged;
3. *decision_parity*: both executed the same validators and gates, with the same results, on the
   run and on every witness, and both refuse the same damage;
4. *faster*: the wall time of what was to become faster is less, by the paired rule;
5. *nothing_slower*: no wall time is more;
6. *memory_not_worse*: no peak is more;
7. *budget*: what was to become faster is within its stretch, or an approved waiver accepts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

from civiltime.consumers.verify import STATES
from civiltime.errors import CivilTimeError
from civiltime.performance.bench import INTACT, MEASURES, TIMED
from civiltime.performance.budgets import Budgets, standing_document, standings
from civiltime.performance.pairs import compare_pairs, rule
from civiltime.performance.sitting import medians
from civiltime.programme.decisions import ApprovedWaiver

Timings = Mapping[str, Any]
Condition = dict[str, Any]
PAIRED = ("sitting_id", "started_utc", "machine", "inputs")
GOOD = {"pass", "warn"}
"""Results of a validator that ran and refused nothing."""


def condition(name: str, problems: Sequence[str], proof: str) -> Condition:
    """A condition that holds unless there are problems."""
    return {"id": name, "holds": not problems, "detail": "; ".join(problems) or proof}


def require_pair(one: Timings, two: Timings) -> tuple[Timings, Timings]:
    """Both sides of a sitting, the baseline first; 2A-PF-005 where they aren't a pair."""
    differs = [name for name in PAIRED if one[name] != two[name]]
    if {one["side"], two["side"]} != {"baseline", "candidate"}:
        differs.append("side (both are the " + one["side"] + ")")
    turns = [[r["round"] for r in timings["rounds"]] for timings in (one, two)]
    if turns[0] != turns[1]:
        differs.append("rounds")
    if differs:
        raise CivilTimeError("2A-PF-005", f"these timings are no pair: {', '.join(differs)}")
    return (one, two) if one["side"] == "baseline" else (two, one)


def require_unaltered(timings: Timings, name: str) -> None:
    """2A-PF-004 unless the medians are those of the rounds."""
    if not timings["rounds"] or timings["medians"] != medians(timings["rounds"]):
        raise CivilTimeError(
            "2A-PF-004", f"{name} was altered: its medians aren't those of its rounds"
        )


def compare(
    baseline: Timings,
    candidate: Timings,
    state: str,
    budgets: Budgets,
    waivers: Sequence[ApprovedWaiver] = (),
) -> dict[str, Any]:
    """The comparison, but for the names of its files and the instant of judging."""
    measures = list(judged_measures(baseline, candidate))
    values = {(s, m): v for s, row in candidate["medians"].items() for m, v in row.items()}
    judged = standings(budgets, values, candidate["inputs"]["sites"], waivers)
    differing = list(differing_outputs(baseline, candidate))
    conditions = [
        _equivalent(candidate, differing),
        _green(candidate),
        parity(_all_decisions(baseline), _all_decisions(candidate)),
        _faster(measures, state),
        _none_more("nothing_slower", measures, "wall_ms"),
        _none_more("memory_not_worse", measures, "peak_rss_bytes"),
        budget_condition(s for s in map(standing_document, judged) if s["state"] == state),
    ]
    missing = [c for c in conditions if not c["holds"]]
    return {
        "segment": "2A",
        "sitting_id": candidate["sitting_id"],
        "run_id": candidate["inputs"]["run_id"],
        "state": state,
        "machine": candidate["machine"],
        "inputs": candidate["inputs"],
        "builds": {"baseline": baseline["build"], "candidate": candidate["build"]},
        "candidate_outputs_sha256": candidate["rounds"][-1]["outputs_sha256"],
        "rule": rule(),
        "measures": measures,
        "budgets": budgets.document(),
        "standings": [standing_document(s) for s in judged],
        "differing": differing,
        "conditions": conditions,
        "decision": "HOLD" if missing else "GO",
        "reason": "; ".join(f"{c['id']}: {c['detail']}" for c in missing)
        or "every condition holds",
    }


def judged_measures(baseline: Timings, candidate: Timings) -> Iterator[dict[str, Any]]:
    """The paired verdict on every measure of every state."""

    def series(timings: Timings, state: str, measure: str) -> list[float]:
        return [float(r["measures"][state][measure]) for r in timings["rounds"]]

    for state, measure in product(TIMED, MEASURES):
        found = compare_pairs(
            series(baseline, state, measure), series(candidate, state, measure), measure
        )
        yield {"state": state, "measure": measure, **asdict(found)}


def differing_outputs(baseline: Timings, candidate: Timings) -> Iterator[dict[str, str]]:
    """Outputs that aren't byte-identical on both sides, by path; a witness's below its run id."""
    one, two = _all_outputs(baseline), _all_outputs(candidate)
    for path in sorted(one.keys() | two.keys()):
        if path not in one or path not in two:
            yield {"path": path, "how": "missing"}
        elif one[path]["sha256_hex"] != two[path]["sha256_hex"]:
            same = one[path]["content_sha256"] == two[path]["content_sha256"]
            yield {"path": path, "how": "same" if same else "differs"}


def _all_outputs(timings: Timings) -> dict[str, Mapping[str, str]]:
    return dict(timings["outputs"]) | {
        f"{run_id}/{path}": named
        for run_id, witness in timings["witnesses"].items()
        for path, named in witness["outputs"].items()
    }


def _all_decisions(timings: Timings) -> dict[str, Mapping[str, str]]:
    return dict(timings["decisions"]) | {
        f"witness {run_id[:8]} {part}": found
        for run_id, witness in timings["witnesses"].items()
        for part, found in witness["decisions"].items()
    }


def parity(one: Mapping[str, Mapping[str, str]], two: Mapping[str, Mapping[str, str]]) -> Condition:
    """POPT.3: the same validators and gates in both, none skipped, the same results."""
    problems = []
    for part in sorted(one.keys() | two.keys()):
        before, after = one.get(part, {}), two.get(part, {})
        gone, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
        problems += [f"{part}: the candidate skips {', '.join(gone)}"] if gone else []
        problems += [f"{part}: only the candidate has {', '.join(new)}"] if new else []
        problems += [
            f"{part} {name}: {before[name]}, the candidate says {after[name]}"
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ]
    count = sum(map(len, one.values()))
    return condition("decision_parity", problems, f"{count} results are the same on both sides")


def _equivalent(candidate: Timings, differing: Sequence[Mapping[str, str]]) -> Condition:
    other = [d for d in differing if d["how"] != "same"]
    problems = [f"{d['path']} {d['how']}" for d in other[:3]]
    problems += [f"and {len(other) - 3} more"] if len(other) > 3 else []
    count = len(_all_outputs(candidate))
    proof = f"{count - len(differing)} files are byte-identical in every round"
    if differing:
        proof += f", {len(differing)} were written differently and say the same"
    return condition("equivalent", problems, proof)


def _green(candidate: Timings) -> Condition:
    states = {s: found for s, found in candidate["decisions"].items() if s in STATES}
    problems = [f"{s} has no validator" for s in STATES if not states.get(s)]
    problems += [
        f"{s} {name}: {result}"
        for s, found in states.items()
        for name, result in found.items()
        if result not in GOOD
    ]
    problems += [
        f"verify, {name}: {said}"
        for name, said in candidate["decisions"]["verify"].items()
        if (said == "exit 0") != (name == INTACT)
    ]
    proof = (
        f"{sum(map(len, states.values()))} validators of S0 to S5 ran and hold, damage is refused"
    )
    return condition("downstream_green", problems, proof)


def _figures(row: Mapping[str, Any]) -> str:
    unit = 2**20 if row["measure"] == "peak_rss_bytes" else 1
    name = "MB" if row["measure"] == "peak_rss_bytes" else "ms"
    was, now = row["baseline"] / unit, row["candidate"] / unit
    rounds = f"{row['less']} less and {row['more']} more of {row['rounds']} rounds"
    figures = f"{was:,.0f} to {now:,.0f} {name}, {rounds}"
    return f"{row['state']} {row['measure']} is {row['verdict']}: {figures}"


def _faster(measures: Sequence[Mapping[str, Any]], state: str) -> Condition:
    row = next(m for m in measures if (m["state"], m["measure"]) == (state, "wall_ms"))
    said = _figures(row)
    return condition("faster", [] if row["verdict"] == "less" else [said], said)


def _none_more(name: str, measures: Sequence[Mapping[str, Any]], measure: str) -> Condition:
    worse = [_figures(m) for m in measures if m["measure"] == measure and m["verdict"] == "more"]
    return condition(name, worse, f"no {measure} is more")


def budget_condition(rows: Iterable[Mapping[str, Any]]) -> Condition:
    """No budget is open; a waiver that accepts one is named."""
    rows = list(rows)
    missed = [
        f"{r['state']} {r['measure']} {r['value']:,.0f} is beyond its stretch {r['stretch']:,.0f}"
        for r in rows
        if r["band"] == "RED"
    ]
    bands = [
        f"{r['state']} {r['measure']} {r['band']}"
        + (f" (waiver {r['waiver']})" if r["waiver"] else "")
        for r in rows
    ]
    return condition("budget", missed, ", ".join(bands) or "there is no budget for it")
