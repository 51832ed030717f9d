# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table, the picture and the figures that are kept."""
import json
import statistics

from measure import HERE, quartiles

FIGURES = HERE / "figures.json"
GROWTH = 1.1
GOOD, MISSED, PLAIN = "#2a7d4f", "#b8433f", "#7a8794"
WIDTH, LEFT, SCALE, LINE, MOST = 760, 400, 110, 21, 2.4


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


def text(x, y, words, more=""):
    words = str(words).replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x}" y="{y}" {more}>{words}</text>'


def picture(rows):
    """A bar for each row that has a peer and a goal: how many times the peer, and where the goal is."""
    shown = [row for row in rows if row.theirs and row.goal is not None]
    height = 66 + len(shown) * LINE
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" ' \
          f'font-size="12"><rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    yield text(12, 24, "What nm-trial costs, as a multiple of its peer; the black mark is the goal", 'font-size="16"')
    yield f'<path d="M{LEFT + SCALE} 40V{height - 14}" stroke="#ccc"/>'
    yield text(LEFT + SCALE, height - 2, "the peer", 'text-anchor="middle" fill="#555" font-size="11"')
    y = 44
    for row in shown:
        ratio, colour = row.judged(), GOOD if row.met() else MISSED
        long = min(ratio, MOST) * SCALE
        low, high = (LEFT + min(value, MOST) * SCALE for value in quartiles(row.ratios()))
        goal = LEFT + min(row.goal, MOST) * SCALE
        yield text(LEFT - 8, y + 12, f"{row.what} / {row.against}", 'text-anchor="end"')
        yield f'<rect x="{LEFT}" y="{y + 2}" width="{long:.1f}" height="{LINE - 8}" fill="{colour}"/>'
        yield f'<path d="M{low:.1f} {y + 8.5}H{high:.1f}" stroke="#fff" stroke-width="2"/>'
        yield f'<path d="M{goal:.1f} {y}V{y + LINE - 4}" stroke="#000" stroke-width="2"/>'
        yield text(round(max(LEFT + long, goal) + 6), y + 12, f"{ratio:.2f}", f'fill="{colour}"')
        y += LINE
    yield "</svg>"


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
