"""One colour for each picker and each clustering rule, the same in every figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, Sequence, Tuple, Union

# Okabe and Ito 2008, "Color Universal Design": told apart with any kind of colour vision.
SKY_BLUE = "#56B4E9"
BLUISH_GREEN = "#009E73"
REDDISH_PURPLE = "#CC79A7"
BLUE = "#0072B2"
ORANGE = "#E69F00"
YELLOW = "#F0E442"
VERMILLION = "#D55E00"

# The two most striking on grey are kept for the subject of a figure; orange, similar to them, is
# the last of the others.
CONSENSUS_COLOR = VERMILLION
REFERENCE_COLOR = YELLOW
PICKER_COLORS = (SKY_BLUE, BLUISH_GREEN, REDDISH_PURPLE, BLUE, ORANGE)


def picker_color(index: int) -> str:
    """Colour of the picker at `index` among those of a data set, cyclic."""
    return PICKER_COLORS[index % len(PICKER_COLORS)]


def picker_colors(names: Sequence[str]) -> Dict[str, str]:
    """Colour of each picker by name, in the order of `Picks.picker_names`."""
    return {name: picker_color(i) for i, name in enumerate(names)}


MARKERS = "osD^vP"  # of pickers, in their order
CONSENSUS = "consensus"  # in the name of what is drawn as one


def picker_styles(names: Sequence[str]) -> Dict[str, Dict[str, Any]]:
    """Line and marker of each picker and of the consensus by name, as matplotlib takes them.

    The consensus is the first with this in its name: it is the thickest and lies on top. Lines are
    dashed where colours repeat.
    """
    every = list(dict.fromkeys(names))
    within = [name for name in every if CONSENSUS in name.casefold()]
    consensus = CONSENSUS if CONSENSUS in every else next(iter(within), None)
    styles: Dict[str, Dict[str, Any]] = {name: {} for name in every}
    for place, name in enumerate(name for name in every if name != consensus):
        again = place >= len(PICKER_COLORS)
        look = {"color": picker_color(place), "marker": MARKERS[place % len(MARKERS)]}
        styles[name] = {**look, "markersize": 10, "linestyle": "--" if again else "-"}
        styles[name].update(linewidth=2.0, zorder=2)
    if consensus is not None:
        look = {"color": CONSENSUS_COLOR, "marker": "*", "linestyle": "-"}
        styles[consensus] = {**look, "markersize": 17, "linewidth": 3.0, "zorder": 3}
    return styles


# Black letters on it are read easily, and in grey it is far lighter than the plain dark frames.
JUNK_COLOR = ORANGE


@dataclass(frozen=True)
class RuleStyle:
    """Style and label of the curves of a clustering rule.

    Attributes
    ----------
    label : str
        For legends.
    color : str
    linestyle : str or tuple
        As matplotlib takes it; distinguishes rules without colour.
    """

    label: str
    color: str
    linestyle: Union[str, Tuple[float, Tuple[float, ...]]]

    @property
    def line(self) -> Dict[str, Any]:
        """Keyword arguments for a matplotlib line, without its label."""
        return {"color": self.color, "linestyle": self.linestyle, "linewidth": 2.0}


RULE_STYLES = {
    "ack": RuleStyle("ACK-means", VERMILLION, "-"),
    "kmeans": RuleStyle("K-means", BLUE, (0.0, (5.0, 1.6))),
    "eqk": RuleStyle("EQK-means", BLUISH_GREEN, (0.0, (6.0, 1.5, 1.2, 1.5))),
    "spider": RuleStyle("SPIDER", REDDISH_PURPLE, (0.0, (1.2, 1.2))),
}
# For what is none of the four: another program, another setting.
OTHER_STYLES: Sequence[Tuple[str, Tuple[float, Tuple[float, ...]]]] = (
    (ORANGE, (0.0, (8.0, 1.5, 1.2, 1.5, 1.2, 1.5))),
    (SKY_BLUE, (0.0, (2.5, 2.5))),
    ("#4D4D4D", (0.0, (1.2, 3.0))),
)


def rule_styles(names: Iterable[str]) -> Dict[str, RuleStyle]:
    """Style of each run by name: of its rule, or, for other names, in turn.

    A rule is known by its key in `RULE_STYLES` or by its label, whatever the case.
    """
    rules = {name.lower(): style for name, style in RULE_STYLES.items()}
    rules.update({style.label.lower(): style for style in RULE_STYLES.values()})
    styles = {}
    n_others = 0
    for name in names:
        if name.lower() in rules:
            styles[name] = rules[name.lower()]
        else:
            styles[name] = RuleStyle(name, *OTHER_STYLES[n_others % len(OTHER_STYLES)])
            n_others += 1
    return styles
