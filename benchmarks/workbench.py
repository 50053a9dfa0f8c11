"""How soon a moved threshold is on screen in numbers, curves, class table and images: the live page beside a rerun.

    python benchmarks/workbench.py [MOVES]

5,000 images with 500,000 detections of 80 classes, in a window of 1920 x 1080. Both pages are driven with a real mouse
in the same Chromium against the same app. A time begins with the pointer event, as the browser stamped it, and ends
when the frame in which every part shows the new threshold has been handed to the compositor: on the live page after
each move of the bar's thumb, with `st.slider`, which answers on release, after each click on its track, when its chart
is drawn again (its table may follow later). In milliseconds, p50 and p95. Chromium is /usr/bin/chromium, without a GPU.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import open_browser, start_app

from benchmarks.viewer import PAINTED, plotly_times

APP = Path(__file__).parent / "workbench_app.py"
PAGES = {"overview": 4, "images": 1}  # how many components tell when they have drawn

# A move is on screen when every component has drawn since, and the frame in which the last one did is painted. The
# images draw while the event of the channel goes round, to which this listens last.
WATCH = (
    """() => {"""
    + PAINTED
    + """
  const hosts = [...document.querySelectorAll("[data-painted]")];
  let moved = 0;
  window.times = [];
  addEventListener("pointermove", (event) => { moved = event.timeStamp; }, { capture: true });
  addEventListener("smviz-channel", () => {
    const start = moved;
    if (!start) return;
    moved = 0;
    const look = () => {
      if (hosts.some((host) => Number(host.dataset.painted) < start)) requestAnimationFrame(look);
      else painted((end) => window.times.push(end - start));
    };
    look();
  });
}"""
)


def live_times(page: Page, moves: int, parts: int) -> np.ndarray:
    """Milliseconds of each move of the bar's thumb in one drag, float64 [moves]."""
    page.wait_for_function(f"() => document.querySelectorAll('[data-painted]').length >= {parts}", timeout=120_000)
    if parts == 1:
        page.wait_for_selector("[data-images]", timeout=120_000)
    page.wait_for_timeout(2000)  # what is made once at the first look is not what is measured
    page.evaluate(WATCH)
    box = page.locator(".bar .slider").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8 + 0.3 * (box["width"] - 16), y)
    page.mouse.down()
    for share in np.linspace(0.05, 0.9, moves + 3):
        page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), y)
        page.wait_for_timeout(60)
    page.mouse.up()
    return np.array(page.evaluate("() => window.times"))[3:]


def main() -> None:
    """Print the table."""
    moves = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with (
        sync_playwright() as playwright,
        start_app(APP) as url,
        open_browser(playwright, viewport=(1920, 1080)) as opened,
    ):
        slow = plotly_times(opened(f"{url}/?with=rerun"), max(5, moves // 5))
        print(f"{'page':<10}  {'live p50/p95':>14}  {'rerun with st.slider p50/p95':>28}  {'ratio of p50':>12}")
        for name, parts in PAGES.items():
            fast = live_times(opened(f"{url}/?with={name}"), moves, parts)
            cells = ["{:.0f} / {:.0f} ms".format(*np.percentile(times, [50, 95])) for times in (fast, slow)]
            print(f"{name:<10}  {cells[0]:>14}  {cells[1]:>28}  {np.median(slow) / np.median(fast):>11.1f}x")


if __name__ == "__main__":
    main()
