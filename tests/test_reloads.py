"""Tabs that are closed and reloaded while their scripts run, by Streamlit's own protocol and without a browser."""

from __future__ import annotations

import asyncio

from browser import ROOT, start_app

from benchmarks.browsing import Tab

DEMO_ONLY = "Demo only"  # what a visitor is told


async def left_at_once(url: str, after: float) -> None:
    """Open the app, and be gone so many seconds later."""
    async with Tab(url) as tab:
        asking = asyncio.create_task(tab.visit())
        await asyncio.sleep(after)
        asking.cancel()


async def told(url: str, **headers: str) -> str:
    """All that stands on Home."""
    async with Tab(url, headers=headers) as tab:
        await tab.visit()
        assert tab.errors == []
        return " ".join(str(element) for element in tab.elements.values())


class TestReloads:
    def test_who_sits_at_the_machine(self, home):
        """However often the person at the machine reloads a page, the server is theirs; until others reach it."""

        async def story(url: str) -> None:
            for number in range(1, 25):
                await left_at_once(url, 0.01 * number)
            assert DEMO_ONLY not in await told(url)
            assert DEMO_ONLY in await told(url, Host="smviz.example.com")
            assert DEMO_ONLY in await told(url)

        with start_app(ROOT / "streamlit_app.py", home) as url:
            asyncio.run(story(url))
