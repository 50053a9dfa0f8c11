"""How soon a moved confidence slider is on screen: the viewer beside `st.slider` with `st.plotly_chart`, same boxes.

    python benchmarks/viewer.py [MOVES]

Both are driven with a real mouse in the same Chromium against the same app, on a 1920 x 1080 image. A time begins with
the pointer event, as the browser stamped it, and ends when the frame with the new boxes has been handed to the
compositor: for the viewer after each move of the thumb, for `st.slider`, which answers on release, after each click on
its track. In milliseconds, p50 and p95. Chromium is /usr/bin/chromium, without a GPU.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import open_browser, start_app

APP = Path(__file__).parent / "viewer_app.py"
COUNTS = (20, 300, 2000, 20000)

# The task after a frame's callbacks runs when the frame is painted: `painted` calls back then.
PAINTED = """
  const { port1, port2 } = new MessageChannel();
  let due = () => {};
  port1.onmessage = () => due(performance.now());
  const painted = (then) => { due = then; port2.postMessage(0); };
"""

WATCH_VIEWER = (
    """() => {"""
    + PAINTED
    + """
  const host = document.querySelector("[data-ready]"), slider = host.shadowRoot.querySelector(".slider");
  let moved = 0, waiting = false;
  window.times = [];
  addEventListener("pointermove", (event) => { moved = event.timeStamp; }, { capture: true });
  slider.addEventListener("input", () => { waiting = moved; });
  new MutationObserver(() => {
    if (!waiting) return;
    const start = waiting;
    waiting = false;
    painted((end) => window.times.push(end - start));
  }).observe(host, { attributeFilter: ["data-painted"] });
}"""
)

# The chart's title carries the threshold, so a redrawn chart is known by it.
WATCH_PLOTLY = (
    """() => {"""
    + PAINTED
    + """
  const drawn = () => document.querySelector(".js-plotly-plot .gtitle")?.textContent || "";
  window.times = [];
  addEventListener("pointerup", (event) => {
    const before = drawn(), start = event.timeStamp;
    const look = () => {
      if (drawn() === before || drawn() === "") requestAnimationFrame(look);
      else painted((end) => window.times.push(end - start));
    };
    look();
  }, { capture: true });
}"""
)


def viewer_times(page: Page, moves: int) -> np.ndarray:
    """Milliseconds of each move of the viewer's thumb in one drag, float64 [moves]."""
    page.locator("[data-ready]").wait_for()
    page.evaluate(WATCH_VIEWER)
    box = page.locator(".slider").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] - 11
    page.mouse.move(box["x"] + 8 + 0.3 * (box["width"] - 16), y)
    page.mouse.down()
    # Two to four frames of 60 a second apart, at every phase of a frame alike, as a hand's moves are: an even pause
    # would fall into step with the frames, and each move would wait for as long as the first one happened to.
    pauses = np.random.default_rng(0).uniform(2, 4, moves + 3) * 1000 / 60
    for share, pause in zip(np.linspace(0.1, 0.9, moves + 3), pauses, strict=True):
        page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), y)
        page.wait_for_timeout(float(pause))
    page.mouse.up()
    return np.array(page.evaluate("() => window.times"))[3:]


def plotly_times(page: Page, moves: int) -> np.ndarray:
    """Milliseconds from letting `st.slider` go until the chart is drawn again, float64 [moves]."""
    page.locator(".js-plotly-plot .gtitle").wait_for(state="attached")
    page.evaluate(WATCH_PLOTLY)
    track = page.get_by_test_id("stSlider").locator("[data-orientation] [data-orientation]").first.bounding_box()
    assert track is not None
    for done, share in enumerate(np.linspace(0.1, 0.9, moves + 2)):
        page.mouse.move(track["x"] + share * track["width"], track["y"] + track["height"] / 2)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_function("(count) => window.times.length > count", arg=done)
        page.wait_for_timeout(50)
    return np.array(page.evaluate("() => window.times"))[2:]


def main() -> None:
    """Print the table."""
    moves = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"{'boxes':>6}  {'viewer p50/p95':>16}  {'slider + plotly p50/p95':>24}  {'ratio of p50':>12}")
    with (
        sync_playwright() as playwright,
        start_app(APP) as url,
        open_browser(playwright, viewport=(1920, 1080)) as opened,
    ):
        for count in COUNTS:
            fast = viewer_times(opened(f"{url}/?n={count}&with=viewer"), moves)
            slow = plotly_times(opened(f"{url}/?n={count}&with=plotly"), max(1, moves // 5))
            cells = ["{:.0f} / {:.0f} ms".format(*np.percentile(times, [50, 95])) for times in (fast, slow)]
            print(f"{count:>6}  {cells[0]:>16}  {cells[1]:>24}  {np.median(slow) / np.median(fast):>11.1f}x")


if __name__ == "__main__":
    main()
