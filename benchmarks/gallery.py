"""How soon a run's images are on screen: the gallery beside `st.image` in columns, same images, same Chromium.

    python benchmarks/gallery.py [IMAGES...]

Both are driven by a click on a button of a page that is open, whose run is judged already. A time begins with the
click, as the browser stamped it. The gallery's first time ends when the tiles in sight have been painted with their
names and numbers, its second when their thumbnails have too; then it can be scrolled to any of the images. `st.image`
has no part that is enough: its time ends when the last of its pictures, thumbnails made beforehand, is loaded. Seconds,
the median of three, for `st.image` of one. Chromium is /usr/bin/chromium, without a GPU.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import open_browser, start_app
from picture_runs import picture_run

from smviz.store import Run, Store

APP = Path(__file__).parent / "gallery_app.py"
COUNTS = tuple(map(int, sys.argv[1:])) or (1_000, 5_000, 100_000)
MOST_BY_COLUMNS = 5_000
TIMES = 3
WAIT = 600_000  # milliseconds

# From the click on the button to the frames in which each of `tests` is first seen to be true.
WATCH = """(tests) => {
  const left = tests.map((test, at) => [new Function(`return (${test})();`), at]);
  window.took = tests.map(() => null);
  addEventListener("pointerup", (event) => {
    const look = () => {
      const { port1, port2 } = new MessageChannel(), met = left.filter(([test]) => test());
      for (const each of met) left.splice(left.indexOf(each), 1);
      port1.onmessage = () => { for (const [, at] of met) window.took[at] = performance.now() - event.timeStamp; };
      port2.postMessage(0);
      if (left.length) requestAnimationFrame(look);
    };
    look();
  }, { capture: true, once: true });
}"""
TILES = """() => {
  const host = [...document.querySelectorAll("*")].find((each) => each.shadowRoot?.querySelector(".images"));
  const tiles = host ? [...host.shadowRoot.querySelectorAll(".tile:not([hidden])")] : [];
  return tiles.filter((tile) => tile.checkVisibility());
}"""
SHOWN = f"() => {{ const tiles = ({TILES})(); return tiles.length && tiles[0].querySelector('.rate').textContent; }}"
LOADED = f"""() => {{
  const tiles = ({TILES})().filter((tile) => {{
    const box = tile.getBoundingClientRect(), grid = tile.closest(".grid").getBoundingClientRect();
    return box.top < grid.bottom && box.bottom > grid.top;
  }});
  const pictures = tiles.map((tile) => tile.querySelector("img"));
  return pictures.length && pictures.every((picture) => picture.complete && picture.naturalWidth);
}}"""
ALL_LOADED = """() => {
  const pictures = document.querySelectorAll("[data-testid=stImage] img");
  return pictures.length === COUNT && [...pictures].every((picture) => picture.complete && picture.naturalWidth);
}"""


def took(page: Page, *tests: str) -> list[float]:
    """Seconds from a click on the button until each of the tests holds."""
    page.evaluate(WATCH, tests)
    page.get_by_role("button", name="Show").click()
    page.wait_for_function("() => window.took.every((time) => time !== null)", timeout=WAIT)
    return [float(time) / 1000 for time in page.evaluate("() => window.took")]


def opened(page: Page) -> Page:
    """The page when its run is judged and nothing goes on."""
    page.get_by_role("button", name="Show").wait_for(timeout=WAIT)
    page.wait_for_load_state("networkidle")
    return page


def main() -> None:
    """Print the table."""
    print(f"{'images':>8}  {'gallery: numbers':>17}  {'thumbnails':>10}  {'st.image in columns':>20}  {'ratio':>7}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = {"SMVIZ_WORKSPACE": f"{folder}/workspace"}
        with Store(Path(home["SMVIZ_WORKSPACE"])) as store:
            runs = {count: picture_run(store, Path(folder), count, f"{count}") for count in COUNTS}
        with start_app(APP, home) as url:
            for count, run in runs.items():
                print(line(playwright, url, run, count), flush=True)


def line(playwright: object, url: str, run: Run, count: int) -> str:
    """The times for one run."""
    with open_browser(playwright) as opened_in:  # type: ignore[arg-type]
        times = [took(opened(opened_in(f"{url}/?run={run.id}")), SHOWN, LOADED) for _ in range(TIMES)]
        shown, loaded = (statistics.median(each) for each in zip(*times, strict=True))
        cells = f"{count:>8,}  {shown:>16.2f}s  {loaded:>9.2f}s"
        if count > MOST_BY_COLUMNS:
            return f"{cells}  {'—':>20}  {'—':>7}"
        page = opened(opened_in(f"{url}/?run={run.id}&with=columns"))
        (slow,) = took(page, ALL_LOADED.replace("COUNT", str(count)))
        return f"{cells}  {slow:>19.1f}s  {slow / shown:>6.0f}x"


if __name__ == "__main__":
    main()
