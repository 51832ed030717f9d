# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table, and the figures that are kept."""
import json
import statistics

from measure import HERE, quartiles

FIGURES = HERE / "figures.json"
GROWTH = 1.1


def number(value):
    if isinstance(value, str):
        return value
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def amount(values, unit):
    return f"{number(statistics.median(values))} {unit}".strip()


def spread(values):
    low, high = quartiles(values)
    return f" ({low:.2f}-{high:.2f})" if high - low >= 0.005 else ""


def table(rows):
    yield "| what | nm-trial | against | ratio (quartiles) | goal | |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        verdict = "" if row.goal is None else "met" if row.met() else "**missed**"
        if row.theirs:
            ratio = f"{row.judged():.2f}{spread(row.ratios())}"
            yield f"| {row.what} | {amount(row.ours, row.unit)} | {row.against}: {amount(row.theirs, row.unit)} | {ratio} " \
                  f"| {'' if row.goal is None else f'{row.goal:g}'} | {verdict} |"
        else:
            goal = "" if row.goal is None else f"{number(row.goal)} {row.unit}"
            yield f"| {row.what} | {number(row.judged())} {row.unit} | | | {goal} | {verdict} |"


def compare(counts):
    """Prints each count beside the one that is kept; returns those that have grown by more than a tenth."""
    kept, grown = json.loads(FIGURES.read_text(encoding="utf-8")), []
    for name in sorted(set(kept) | set(counts)):
        before, now = kept.get(name), counts.get(name)
        wrong = before is None or now is None or now > before * GROWTH
        print(f"{'GROWN ' if wrong else '      '}{name:<58} {number('-' if now is None else now):>12}  "
              f"kept {number('-' if before is None else before):>12}")
        if wrong:
            grown.append(name)
    return grown


def keep(counts):
    FIGURES.write_text(json.dumps(counts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
