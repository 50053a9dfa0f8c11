// What each key does. A function that returns false leaves the key to the page.

const STEP = 60; // CSS pixels per arrow

function keysOf(viewer) {
  const { stage, model } = viewer, kinds = model.marked ? ["tp", "fp", "fn"] : model.hasOther ? ["agree", "only_a", "only_b"] : [];
  const arrow = (dx, dy) => (onStage) => {
    if (!onStage) return false;
    if (stage.fitted && dx && viewer.steps) return viewer.step(dx > 0 ? -1 : 1);
    return stage.pan(dx, dy);
  };
  const keys = {
    ArrowLeft: arrow(STEP, 0), ArrowRight: arrow(-STEP, 0), ArrowUp: arrow(0, STEP), ArrowDown: arrow(0, -STEP),
    "[": () => viewer.nudge(-1), "]": () => viewer.nudge(1),
    "+": () => stage.zoomMiddle(1.5), "=": () => stage.zoomMiddle(1.5), "-": () => stage.zoomMiddle(1 / 1.5),
    a: () => viewer.setHidden([]), c: () => viewer.nextClass(), d: () => viewer.toggleOutcome("difference"),
    f: () => stage.fit(), g: () => viewer.toggleOutcome("truth"), l: () => viewer.toggleLabels(),
    n: () => viewer.controls.toggleNms(), o: () => viewer.cycle(), p: () => viewer.setOwn(viewer.choice.own === null),
    s: () => viewer.onlyThis(), t: () => viewer.openFilters(), z: () => viewer.zoomToBoxes(), "?": () => viewer.toggleHelp(),
    ",": () => viewer.step(-1), ".": () => viewer.step(1), Escape: () => viewer.escape(),
  };
  kinds.forEach((kind, at) => { keys[at + 1] = () => viewer.toggleOutcome(kind); });
  return keys;
}

function pressed(viewer, event) {
  const typing = event.target.matches("input[type=number], select");
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const act = keysOf(viewer)[key];
  if (!act || act(event.target === viewer.stage.element) === false) return;
  event.preventDefault();
  event.stopPropagation();
}
