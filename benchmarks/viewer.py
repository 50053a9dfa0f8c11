"""How soon a moved confidence slider is on screen: the viewer beside `st.slider` with `st.plotly_chart`, same boxes.

    python benchmarks/viewer.py [MOVES]

Both are driven in the same Chromium against the same app, on a 1920 x 1080 image. A move of the viewer ends when the
frame with the new boxes has been painted; a move of the slider when the chart has been drawn again. Times are from the
input event to the next animation frame after that, in milliseconds, p50 and p95. Chromium is /usr/bin/chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import open_browser, start_app

APP = Path(__file__).parent / "viewer_app.py"
COUNTS = (20, 300, 2000)

# Sets the range to a value as a drag does, and waits until the frame after the paint.
MOVE = """async (value) => {
  const host = document.querySelector("[data-ready]"), slider = host.shadowRoot.querySelector(".slider");
  const before = host.dataset.painted, start = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  const frame = () => new Promise(requestAnimationFrame);
  while (host.dataset.painted === before) await frame();
  await frame();
  return performance.now() - start;
}"""

# The chart's title carries the threshold, so a redrawn chart is known by it.
WATCH = """() => {
  window.drawn = () => document.querySelector(".js-plotly-plot .gtitle")?.textContent || "";
  window.step = async () => {
    const before = window.drawn(), start = performance.now();
    const frame = () => new Promise(requestAnimationFrame);
    while (window.drawn() === before || window.drawn() === "") await frame();
    await frame();
    return performance.now() - start;
  };
  addEventListener("pointerup", () => { window.timing = window.step(); }, { capture: true });
}"""


def viewer_times(page: Page, moves: int) -> np.ndarray:
    """Milliseconds of each move of the viewer's slider, float64 [moves]."""
    page.locator("[data-ready]").wait_for()
    values = np.linspace(0.1, 0.9, moves + 3)
    return np.array([page.evaluate(MOVE, f"{value:.2f}") for value in values])[3:]


def plotly_times(page: Page, moves: int) -> np.ndarray:
    """Milliseconds from letting `st.slider` go until the chart is drawn again, float64 [moves]."""
    page.locator(".js-plotly-plot .gtitle").wait_for(state="attached")
    page.evaluate(WATCH)
    track = page.get_by_test_id("stSlider").locator("[data-orientation] [data-orientation]").first.bounding_box()
    assert track is not None
    times = []
    for share in np.linspace(0.1, 0.9, moves + 2):
        page.mouse.move(track["x"] + share * track["width"], track["y"] + track["height"] / 2)
        page.mouse.down()
        page.mouse.up()
        times.append(page.evaluate("() => window.timing"))
        page.wait_for_timeout(50)
    return np.array(times)[2:]


def main() -> None:
    """Print the table."""
    moves = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    print(f"{'boxes':>6}  {'viewer p50/p95':>16}  {'slider + plotly p50/p95':>24}  {'ratio of p50':>12}")
    with (
        sync_playwright() as playwright,
        start_app(APP) as url,
        open_browser(playwright, viewport=(1600, 1000)) as opened,
    ):
        for count in COUNTS:
            fast = viewer_times(opened(f"{url}/?n={count}&with=viewer"), moves)
            slow = plotly_times(opened(f"{url}/?n={count}&with=plotly"), moves)
            cells = ["{:.0f} / {:.0f} ms".format(*np.percentile(times, [50, 95])) for times in (fast, slow)]
            print(f"{count:>6}  {cells[0]:>16}  {cells[1]:>24}  {np.median(slow) / np.median(fast):>11.1f}x")


if __name__ == "__main__":
    main()
