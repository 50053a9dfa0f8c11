"""The bar above the sections: what everything below stands for, kept in the address, and what is best for what."""

from __future__ import annotations

import math
from dataclasses import dataclass

import streamlit as st

from smviz.errors import BadSetting
from smviz.operating import F1, Objective, OperatingPoint, parse_objective
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import number, show_error
from smviz.workbench import Part
from smviz.workbench.bar import BarState, bar, reported

OBJECTIVES = ("f1", "f0.5", "f2", "recall>=0.9", "precision>=0.95", "fp<=0.1", "cost(fp=1,fn=5)")
# What follows the bar is below it, and stays in sight with it where the window is high enough.
_STYLE = """<style>
@media (min-height: 700px) and (min-width: 900px) {
  [data-testid="stLayoutWrapper"]:has(> .st-key-bar) { position: sticky; top: 0; z-index: 99; }
  .st-key-bar { background: light-dark(LIGHT, DARK); padding-block: .4rem .6rem; }
  .st-key-bar { box-shadow: 0 8px 8px -10px rgb(0 0 0 / 35%); }
  [data-testid="stMain"] { scroll-padding-top: 250px; }
}
</style>"""
AT_ONCE = 0.15  # seconds that a rerun waits for the intervals before it is shown without


@dataclass(frozen=True)
class Chosen:
    """What the sections below stand for.

    Attributes:
        threshold: the confidence from which on a detection counts.
        part: the IoU, the area range and the classes that are counted.
        objective: what a threshold is best for.
        best: the threshold that is, over the chosen classes together.
    """

    threshold: float
    part: Part
    objective: Objective
    best: OperatingPoint

    @property
    def iou(self) -> float:
        """From which overlap on a detection is right."""
        return self.part.iou

    @property
    def area(self) -> str:
        """The name of the range of sizes that is counted."""
        return self.part.area

    @property
    def classes(self) -> tuple[int, ...] | None:
        """The classes that are counted, ascending; None for all."""
        return self.part.classes

    @property
    def best_known(self) -> float | None:
        """The best threshold; None where there is none."""
        return None if math.isnan(self.best.confidence) else self.best.confidence


@dataclass(frozen=True)
class _Memory:
    """The bar of a run between two reruns. `revision` grows when Python, not the person, changes the state."""

    revision: int
    state: BarState


def threshold_bar(derived: Derived, run: Run) -> Chosen:
    """Choose threshold, IoU, sizes, classes and objective; the threshold is the objective's best until it is moved."""
    st.html(_style())
    with st.container(key="bar"):
        left, right = st.columns([5, 1], gap="medium")
    with right:
        objective = _objective(run)
    memory = _remembered(derived, run, objective)
    best = derived.best(memory.state.part, objective)
    unknown = bool(best.reason)
    if right.button(
        f"{in_words(objective, short=True)}: {number(best.confidence)}",
        icon=":material/target:",
        disabled=unknown,
        help=best.reason
        or "The confidence that serves the objective best over the chosen classes together; every distinct score was "
        "tried.",
        width="stretch",
    ):
        memory = _moved(memory, best.confidence)
    state = memory.state
    st.session_state[_slot(run)] = memory
    _keep_in_link(state)
    rates = derived.rates(state.threshold, state.part)
    with left:
        bar(
            derived.live(state.threshold, state.part),
            key=_key(run),
            revision=memory.revision,
            best=None if unknown else best.confidence,
            best_label=in_words(objective, short=True),
            rates=rates.result(AT_ONCE),
        )
    if not rates.ended:
        _awaited(derived, state)
    return Chosen(state.threshold, state.part, objective, best)


def _style() -> str:
    """With the page's own colours, which its style sheets do not name."""
    light, dark = (st.get_option(f"theme.{theme}.backgroundColor") or "Canvas" for theme in ("light", "dark"))
    return _STYLE.replace("LIGHT", light).replace("DARK", dark)


@st.fragment(run_every=0.4)
def _awaited(derived: Derived, state: BarState) -> None:
    """Shows nothing; the page is drawn again when the intervals are there."""
    if derived.rates(state.threshold, state.part).ended:
        st.rerun()


def _slot(run: Run) -> str:
    return f"bar of {run.id}"


def _key(run: Run) -> str:
    return f"threshold bar of {run.id}"


def _remembered(derived: Derived, run: Run, objective: Objective) -> _Memory:
    """What is in force now: what the browser last told, unless Python has changed it since."""
    memory: _Memory | None = st.session_state.get(_slot(run))
    if memory is None:
        memory = _Memory(0, _from_link(derived, objective))
    else:
        told = st.session_state.get(_key(run))
        state = reported(told.state if told else None, memory.revision, derived.matches)
        memory = _Memory(memory.revision, state or memory.state)
    pending: float | None = st.session_state.pop("viewer threshold", None)
    return memory if pending is None else _moved(memory, pending)


def _moved(memory: _Memory, threshold: float) -> _Memory:
    return _Memory(memory.revision + 1, BarState(threshold, memory.state.part))


def _from_link(derived: Derived, objective: Objective) -> BarState:
    """The state that the address bar asks for, as far as this evaluation has it."""
    settings, query = derived.matches.settings, st.query_params
    iou = next((each for each in settings.ious if f"{each:g}" == query.get("iou")), settings.ious[0])
    areas = [name for name, _, _ in settings.areas]
    area = query["size"] if query.get("size") in areas else areas[0]
    part = Part(iou, area, _classes(query.get("classes"), len(derived.matches.ground_truth.class_names)))
    threshold = _confidence(query.get("threshold", ""))
    if threshold is None:
        best = derived.best(part, objective)
        threshold = 0.5 if best.reason else best.confidence
    return BarState(threshold, part)


def _classes(text: str | None, known: int) -> tuple[int, ...] | None:
    """Class ids from the address bar, as 0,3,17 or "none"; None, for all, where it names none that there are."""
    if text == "none":
        return ()
    ids = {int(word) for word in (text or "").split(",") if word.isdecimal() and word.isascii()}
    return tuple(sorted(k for k in ids if k < known)) or None


def _confidence(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _keep_in_link(state: BarState) -> None:
    """What is as it usually is needs no place in the address."""
    part = state.part
    classes = None if part.classes is None else ",".join(map(str, part.classes)) or "none"
    told = {
        "threshold": f"{state.threshold:.6g}",
        "iou": f"{part.iou:g}" if part.iou != Part().iou else None,
        "size": part.area if part.area != Part().area else None,
        "classes": classes,
    }
    for name, value in told.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def in_words(objective: Objective, short: bool = False) -> str:
    """An objective for a person; `short` for a button."""
    value = f"{objective.values[0]:g}"
    if objective.kind == "f":
        return f"Best F{value}"
    if objective.kind in {"recall", "precision"}:
        return f"{objective.kind.capitalize()} ≥ {value}"
    if objective.kind == "fp":
        return f"≤ {value} FP/image" if short else f"At most {value} false positives per image"
    missed = f"{objective.values[1]:g}"
    return "Least cost" if short else f"Least cost: a false positive {value}, a miss {missed}"


def _objective(run: Run) -> Objective:
    """Chosen from the usual ones, or typed; the address bar keeps it."""
    linked = st.query_params.get("objective", "f1")
    known = list(dict.fromkeys((*OBJECTIVES, *([linked] if _readable(linked) else []))))
    text = st.selectbox(
        "Objective",
        known,
        index=known.index(linked) if linked in known else 0,
        format_func=_label,
        accept_new_options=True,
        key=f"objective of {run.id}",
        help="What a threshold is best for. Choose one, or type your own numbers: f1.5, recall>=0.85, precision>=0.99, "
        "fp<=0.05 (false positives per image), cost(fp=1,fn=20).",
    )
    try:
        objective = parse_objective(text or "f1")
    except BadSetting as error:
        show_error(error)
        return F1
    if str(objective) != "f1":
        st.query_params["objective"] = str(objective)
    else:
        st.query_params.pop("objective", None)
    return objective


def _label(text: str) -> str:
    return in_words(parse_objective(text)) if _readable(text) else text


def _readable(text: str) -> bool:
    try:
        parse_objective(text)
    except BadSetting:
        return False
    return True
