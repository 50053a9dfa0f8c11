"""What one person brings, calls for and keeps is no other person's, on one server."""

import ast
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from browser import start_app
from picture_runs import picture_run
from PIL import Image
from streamlit import config
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.caching.cache_resource_api import clear_session_cache
from streamlit.testing.v1 import AppTest
from tabs import Tab, fresh_browser

from smviz.access import LOCAL, VISITOR, Person, Role
from smviz.errors import NotAllowed
from smviz.local import SAMPLES
from smviz.store import Store
from smviz.ui import session

ROOT = Path(__file__).parent.parent
APP = str(ROOT / "streamlit_app.py")
SECONDS = 60
AUTH = {
    "redirect_uri": "https://smviz.example.com/oauth2callback",
    "cookie_secret": "a secret of these tests alone, 0123456789",
    "client_id": "smviz",
    "client_secret": "another secret",
    "server_metadata_url": "https://login.example.com/.well-known/openid-configuration",
}
ALLOWED = {"owners": ["ann@example.com"], "users": ["bob@example.com", "cat@example.com"], "viewers": ["@example.com"]}
ANN = Person("ann@example.com", "Ann", Role.OWNER)
BOB = Person("bob@example.com", "Bob", Role.USER)
EVE = Person("eve@example.com", "Eve", Role.VIEWER)

# Caches of the whole server, each with the reason why nobody's own things are in it.
OF_THE_SERVER = {
    "embedded_server": "the demo endpoint is everybody's",
    "_opened": "clients with the server's own credentials, behind each person's guard",
    "meter": "counts by person",
    "_store": "by folder, and a person's folder is theirs",
    "_begun_by": "by person",
    "region_names": "what is public",
    "_reached_from_elsewhere": "a yes or a no",
    "_runs": "how often a page has run",
    "_tell": "what was written to the log",
    "_arrivals": "by browser, before anybody has logged in",
}


# What sessions compute together, each with what tells that they may.
IN_COMMON = {
    "_evaluations": "by the folder of the workspace, and of the run",
    "_derivations": "by the evaluation itself",
}


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path) -> Iterator[Path]:
    """A machine without an AWS account, and with an empty workspace, which is returned."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "ws"))
    yield tmp_path / "ws"
    st.cache_resource.clear()
    config.set_option("server.address", None)


def page_of(
    who: Person, page: str = "", *, allowed: dict | None = None, claims: dict | None = None, **query
) -> AppTest:
    """A page as a person sees it, who is logged in unless it is who sits at the machine, or a visitor."""
    return as_seen_by(who, AppTest.from_file(APP, default_timeout=SECONDS), page, allowed, claims, query)


def as_seen_by(who, test, page="", allowed=None, claims=None, query=None) -> AppTest:
    if page:
        test.switch_page(f"pages/{page}.py")
    if who.address:
        test.secrets = {"auth": AUTH, "smviz": {**ALLOWED, **(allowed or {})}}
        test.user = {"is_logged_in": True, "email": who.address, "name": who.name, **(claims or {})}
    config.set_option("server.address", "0.0.0.0" if who.visitor else None)
    test.query_params.update(query or {})
    test.run()
    assert not test.exception
    return test


def words(page: AppTest) -> str:
    """What stands on the page."""
    shown = (*page.title, *page.header, *page.markdown, *page.caption, *page.error, *page.warning, *page.info)
    return "\n".join(element.value.replace("\\", "") for element in shown)


def told(page: AppTest) -> str:
    """All that the page holds, what stands in tables, links and options among it."""
    held = [node.proto.SerializeToString() for node in page.main if getattr(node, "proto", None) is not None]
    return f"{b''.join(held)} {page.session_state}"


class TestRuns:
    @pytest.fixture
    def anns(self, machine):
        """The ids of two runs of Ann's."""
        with Store(machine / "people" / ANN.key) as store:
            return [picture_run(store, machine.parent, 4, f"Anns {name} run").id for name in ("own", "other")]

    @pytest.mark.parametrize("page", ["3_Evaluate", "2_Detect", "4_Compare"])
    def test_of_another_does_not_exist(self, anns, page):
        """By a link to it: the same words as for a run that never was, and not a word of what it is called."""
        own, other = anns
        link = {"a": own, "b": other} if page == "4_Compare" else {"run": own, "image": "frame_00000.jpg"}
        assert "Anns own run" in told(page_of(ANN, page, **link))
        theirs = page_of(BOB, page, **link)
        assert "Anns own run" not in told(theirs)
        never = page_of(BOB, page, **{**link, **dict.fromkeys({"a", "b", "run"} & set(link), "0" * 8)})
        assert words(theirs).replace(own, "0" * 8).replace(other, "0" * 8) == words(never)

    @pytest.mark.parametrize("who", [BOB, EVE, VISITOR, LOCAL])
    def test_of_another_is_in_no_list(self, anns, who):
        """Nor among the latest of Home, nor among those of Evaluate; who sits at the machine has a workspace too."""
        for page in ("", "3_Evaluate"):
            assert "Anns own run" in told(page_of(ANN, page))
            assert "Anns own run" not in told(page_of(who, page))

    def test_the_address_in_capitals_is_the_same_person(self, anns):
        """As mail is delivered; but one that the provider has not verified is nobody."""
        assert "Anns own run" in told(page_of(ANN, claims={"email": "Ann@EXAMPLE.com"}))
        for unverified in (False, "false", "False"):
            seen = page_of(ANN, claims={"email_verified": unverified})
            assert "Anns own run" not in told(seen)
            assert "not verified" in words(seen)

    def test_whoever_is_taken_off_the_list_is_out_at_the_next_click(self, anns):
        """The list is read at every rerun."""
        page = page_of(ANN)
        page.secrets["smviz"] = {"users": ["bob@example.com"]}
        page.run()
        assert "Anns own run" not in told(page)
        assert "on no list" in words(page)

    @pytest.mark.parametrize("table", [{"ownerz": ["x"]}, {"owners": ["everybody"]}, {"megapixels": -1}])
    def test_wrong_settings_let_nobody_in(self, anns, table, capsys):
        """Visitors are told that it is not set up; which setting is wrong stands in the log."""
        seen = page_of(ANN, allowed=table)
        assert "Anns own run" not in told(seen)
        seen = words(seen)
        assert "nobody is let in" in seen
        assert next(iter(table)) not in seen
        assert next(iter(table)) in capsys.readouterr().err


def _remember() -> None:
    import streamlit as st

    from smviz import settings
    from smviz.ui import resources

    mine = st.query_params["mine"]
    before = sorted(resources.works()), len(resources.deployments()), sorted(map(str, resources.digests()))
    st.text(f"{before} {resources.store().folder}")
    resources.works()[mine] = None
    resources.deployments()[settings.Connection("eu-west-1"), mine] = None
    resources.digests()[mine,] = mine


def test_work_is_its_persons(machine):
    """What one has begun is not listed, paused or stopped by another, and a second look finds it."""
    seen = {}
    for who in (ANN, BOB, VISITOR, LOCAL, ANN):
        page = as_seen_by(who, AppTest.from_function(_remember), query={"mine": who.name})
        seen.setdefault(who.name, []).append(page.text[0].value)
    nothing = "([], 0, [])"
    assert [first.partition(" /")[0] for first, *_ in seen.values()] == [nothing] * 4
    assert seen["Ann"][1].startswith("""(['Ann'], 1, ["('Ann',)"])""")
    assert len({first for first, *_ in seen.values()}) == 4, "each has a folder of their own"


class TestCaches:
    def test_that_are_the_servers_are_known(self):
        """Every other cache is of its session; one that is added for the whole server fails here, to be thought of."""
        found = {
            function.name
            for path in (ROOT / "smviz").rglob("*.py")
            for function in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(function, ast.FunctionDef)
            for decorator in function.decorator_list
            if "st.cache_" in ast.unparse(decorator) and "scope='session'" not in ast.unparse(decorator)
        }
        assert found == set(OF_THE_SERVER)

    def test_what_sessions_have_in_common_is_known(self):
        """What is computed once for several sessions is of a workspace that each of them may look at."""
        found = {
            ast.unparse(node.target)
            for path in (ROOT / "smviz").rglob("*.py")
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.AnnAssign) and "InCommon" in ast.unparse(node)
        }
        assert found == set(IN_COMMON)

    def test_no_module_of_the_screen_keeps_anything(self):
        """A list, a dictionary or a set that begins empty would be filled by everybody."""
        empty = {"{}", "[]", "set()", "dict()", "list()", "deque()"}
        for path in [*(ROOT / "smviz" / "ui").glob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "streamlit_app.py"]:
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                    assert ast.unparse(node.value) not in empty, f"{path.name}, line {node.lineno}"


def _name_a_file() -> None:
    from pathlib import Path

    import streamlit as st

    from smviz.errors import SmvizError
    from smviz.ui.choice import Chosen
    from smviz.ui.dataset import server_source
    from smviz.ui.new_run import _listed
    from smviz.ui.resources import files_door
    from smviz.ui.transfer import _images

    place = st.query_params["place"]
    for read in (
        lambda: list(server_source(Path(place))),
        lambda: _listed(Chosen(), place),
        lambda: _images(Chosen(), place),
        lambda: files_door(Chosen().connection).s3_read("s3://set/a.jpg") if place else None,
    ):
        try:
            read()
            st.text("read")
        except SmvizError as error:
            st.text(error.kind)


class TestPlaces:
    @pytest.mark.parametrize("who", [ANN, BOB, EVE, VISITOR])
    @pytest.mark.parametrize(
        "place", ["/etc", "/proc/self/environ", "../..", "~", ".streamlit/secrets.toml", "file:///etc"]
    )
    def test_of_the_server_are_nobodys_from_afar(self, who, place):
        """Not by a forged field either: whatever reads refuses; an owner does not sit at the machine."""
        page = as_seen_by(who, AppTest.from_function(_name_a_file), query={"place": place})
        assert [text.value for text in page.text] == ["NotAllowed"] * 4

    def test_of_the_server_are_open_to_who_sits_there(self):
        """As they always were."""
        page = as_seen_by(LOCAL, AppTest.from_function(_name_a_file), query={"place": str(SAMPLES.folder)})
        assert [text.value for text in page.text][:3] == ["read"] * 3

    @pytest.mark.parametrize(("who", "offered"), [(LOCAL, True), (ANN, False), (BOB, False), (VISITOR, False)])
    def test_that_are_not_open_are_not_offered(self, who, offered):
        """And the page says why."""
        page = page_of(who, "3_Evaluate")
        options = page.segmented_control(key="run source").options
        assert ("On this server" in options) is ("S3" in options) is offered
        assert ("which only who sits at it may name" in words(page)) is not offered

    def test_in_s3_that_are_open_are_offered(self):
        """Where the policy names a prefix."""
        page = page_of(BOB, "3_Evaluate", allowed={"s3_prefixes": ["s3://set"]})
        assert "S3" in page.segmented_control(key="run source").options


class TestLinks:
    def test_choose_no_credentials_for_a_user(self):
        """A profile or a role in the address is dropped, and nothing asks for one; an owner's is kept."""
        role = "arn:aws:iam::123456789012:role/admin"
        link = {"region": "eu-west-1", "profile": "prod", "role": role}
        bobs = page_of(BOB, "1_Endpoint", **link)
        assert not {"profile", "role"} & set(bobs.query_params)
        assert "the server's own credentials" in words(bobs)
        assert page_of(ANN, "1_Endpoint", region="eu-west-1", role=role).query_params["role"] == role

    def test_tell_a_user_nothing_of_the_servers_folders(self, machine):
        """Where the server looks for credentials is an owner's business; a user is told whom to ask."""
        assert str(machine.parent) in words(page_of(ANN, "1_Endpoint", region="eu-west-1"))
        bobs = page_of(BOB, "1_Endpoint", region="eu-west-1")
        assert str(machine.parent) not in told(bobs)
        assert "credentials are not accepted" in words(bobs)

    @pytest.mark.parametrize("who", [BOB, ANN])
    def test_choose_no_region_that_is_not_open(self, who):
        """The demo is shown instead, and a word about it."""
        page = page_of(who, "1_Endpoint", allowed={"regions": ["us-east-1"]}, region="eu-west-1")
        assert page.query_params["region"] == "embedded"
        assert "not open on this server" in page.toast[0].value
        assert len(page.selectbox[0].options) == 2

    def test_choose_no_region_for_a_visitor(self):
        """AWS is not called, and the page says why."""
        page = page_of(VISITOR, "1_Endpoint", region="eu-west-1", profile="prod")
        assert page.query_params["region"] == "embedded"
        assert page.selectbox[0].disabled
        assert "calls nothing on AWS" in words(page)


class TestDeploying:
    @pytest.mark.parametrize(("who", "allowed"), [(ANN, True), (BOB, False), (VISITOR, False)])
    @pytest.mark.parametrize("view", ["Deploy", "Connect"])
    def test_is_an_owners(self, who, allowed, view):
        """Where it is not, there is no button, and the page says why."""
        page = page_of(who, "1_Endpoint", view=view)
        assert any(button.label.startswith(("Deploy", "Delete", "Update")) for button in page.button) is allowed
        assert ("cannot be made, updated or deleted here" in words(page)) is not allowed

    @pytest.mark.parametrize("who", [BOB, VISITOR])
    def test_is_not_opened_by_a_setting_alone(self, who, monkeypatch):
        """SMVIZ_ALLOW_DEPLOY=1 makes nobody an owner; and 0 forbids it to owners too."""
        monkeypatch.setenv("SMVIZ_ALLOW_DEPLOY", "1")
        assert "cannot be made" in words(page_of(who, "1_Endpoint"))
        monkeypatch.setenv("SMVIZ_ALLOW_DEPLOY", "0")
        assert "SMVIZ_ALLOW_DEPLOY forbids it" in words(page_of(ANN, "1_Endpoint"))


def _peek() -> None:
    import streamlit as st

    from smviz.ui import resources

    st.session_state["works"], st.session_state["folder"] = resources.works(), resources.store().folder


class TestLimits:
    def test_of_a_minute_slow_a_run_down(self):
        """It goes on with as many calls as are allowed; none fails for it, and its card says so."""
        page = page_of(BOB, "3_Evaluate", allowed={"requests_per_minute": 5})
        next(button for button in page.button if button.label.startswith("Run 80")).click().run()
        (work,) = as_seen_by(BOB, AppTest.from_function(_peek)).session_state["works"].values()
        end = time.monotonic() + SECONDS
        while work.batch.progress.done < 5:
            assert time.monotonic() < end, "the calls were not made"
            time.sleep(0.05)
        time.sleep(0.5)
        now = work.batch.progress
        assert (now.state, now.calls, now.done, now.failed) == ("running", 5, 5, 0)
        assert "at most 5 calls a minute on this server" in words(page)
        work.batch.stop()
        assert work.batch.wait(SECONDS)

    def test_of_a_run_are_told_before_it_is_made(self, machine):
        """With the limit's name and value; no run comes into being."""
        page = page_of(BOB, "3_Evaluate", allowed={"images_per_run": 10})
        assert "The run has 80 images; this server takes 10 images at most." in words(page)
        assert "images_per_run in [smviz]" in words(page)
        assert not any(button.label.startswith("Run") for button in page.button)
        with Store(machine / "people" / BOB.key) as store:
            assert store.runs() == ()

    def test_of_a_minute_are_told_where_an_image_is_opened(self):
        """The one that is allowed is answered; the next one is not sent, and it says how long to wait."""
        page = page_of(BOB, "2_Detect", allowed={"requests_per_minute": 1})
        assert not page.error
        page.selectbox(key="sample").set_value(SAMPLES.images[1].name).run()
        assert "1 of 1 calls in this minute; the next one in" in words(page)
        assert "Not called." in words(page)

    def test_of_an_image_are_told_in_place_of_it(self):
        """By its header: a picture of more pixels than are allowed is never decoded."""
        page = page_of(BOB, "2_Detect", allowed={"megapixels": 0.1})
        assert "megapixels; this server takes 0.1 megapixels at most." in words(page)
        large = io.BytesIO()
        Image.new("L", (9000, 9000)).save(large, "PNG")
        page = page_of(BOB, "1_Endpoint", allowed={"megapixels": 50})
        page.file_uploader(key="test image").set_value(("large.png", large.getvalue(), "image/png")).run()
        next(button for button in page.button if button.label == "Send the test image").click().run()
        assert "large.png has 81.0 megapixels; this server takes 50 megapixels at most." in words(page)


def test_there_are_only_so_many_visitors_at_once():
    """One more is asked to come back; when one has left there is room again."""
    here = [session.VisitorsWorkspace() for _ in range(session.MOST_VISITORS)]
    with pytest.raises(NotAllowed, match="Too many visitors"):
        session.VisitorsWorkspace()
    gone = here.pop()
    gone.remove()
    assert not gone.folder.exists()
    del gone
    assert session.VisitorsWorkspace().folder.parent == here[0].folder.parent
    for each in here:
        each.remove()


def test_the_work_of_a_visitor_ends_with_the_session(machine):
    """Nothing goes on calling for who has left, and the folder is deleted once no call is under way."""
    page = page_of(VISITOR, "3_Evaluate")
    next(button for button in page.button if button.label.startswith("Run 80")).click().run()
    left = as_seen_by(VISITOR, AppTest.from_function(_peek)).session_state
    (work,), folder = left["works"].values(), left["folder"]
    assert work.batch.progress.state == "running"
    assert folder.exists()
    clear_session_cache("test session id")  # as the server does when a session has ended
    assert work.batch.wait(SECONDS)
    assert work.batch.progress.state == "stopped"
    end = time.monotonic() + SECONDS
    while folder.exists():
        assert time.monotonic() < end, "the folder is still there"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def reached(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server that others reach by a name, where nobody can log in: its URL, and its folder for what is temporary."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "temporary").mkdir()
    surroundings = {
        "SMVIZ_WORKSPACE": str(folder / "ws"),
        "HOME": str(folder),
        "TMPDIR": str(folder / "temporary"),
        "STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SMVIZ_IMAGES_PER_RUN": None,
    }
    with start_app(ROOT / "streamlit_app.py", surroundings) as url:
        yield url, folder / "temporary"
    assert not workspaces(folder / "temporary"), "nothing of a visitor outlives the server"


def workspaces(temporary: Path) -> set[str]:
    """The folders of the visitors who are there."""
    return {path.name for path in temporary.glob("smviz-visitor-*")}


def visitor(url: str):
    """A browser that reaches the server by a name of its own."""
    return fresh_browser(url, {"host": "smviz.example.com"})


class TestVisitors:
    def test_see_nothing_of_each_other(self, reached):
        """A run of one is no run for the other, by its link either; and what they have is gone when they leave."""
        url, temporary = reached
        with visitor(url) as one, visitor(url) as two:
            with Tab(one, "Evaluate") as tab:
                tab.press("Run 80 images")
                run = tab.query.rpartition("run=")[2]
                assert "on sample set" in tab.text
                with Tab(two, "Evaluate", {"run": run}) as other, Tab(two, "Evaluate", {"run": "0" * 8}) as never:
                    assert "on sample set" not in other.text.replace("80 labelled", "")
                    assert other.text.replace(run, "0" * 8) == never.text
                    assert len(workspaces(temporary)) == 3
            end = time.monotonic() + 20
            while workspaces(temporary):
                assert time.monotonic() < end, "a visitor's folder is still there"
                time.sleep(0.1)

    def test_cannot_clear_the_caches_of_all(self, reached):
        """Streamlit's own message for it, which any client may send, changes nothing for anybody."""
        url, temporary = reached
        with visitor(url) as one, visitor(url) as two, Tab(one, "Evaluate") as tab, Tab(two) as other:
            tab.press("Run 80 images")
            before = workspaces(temporary)
            for message in (BackMsg(clear_cache=True), BackMsg(load_git_info=True)):
                other._socket.send(message.SerializeToString())
            with Tab(two, "Evaluate"):
                assert before < workspaces(temporary)
            tab.press("Stop")
            assert "on sample set" in tab.text

    def test_leave_when_the_server_ends(self, reached):
        """Who is still there then leaves nothing behind; the fixture looks."""
        url, temporary = reached
        with visitor(url) as browser, Tab(browser, "Evaluate"):
            assert len(workspaces(temporary)) == 1


def test_a_server_that_was_reached_from_elsewhere_is_nobodys(tmp_path):
    """On loopback it belongs to who sits there; once a proxy's or another name's request has come, made-up headers
    open it no more."""
    surroundings = {"SMVIZ_WORKSPACE": str(tmp_path / "ws"), "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    with start_app(ROOT / "streamlit_app.py", surroundings) as url, fresh_browser(url) as browser:
        with Tab(browser, "Evaluate") as tab:
            assert "Demo only" not in tab.text
            assert "which only who sits at it may name" not in tab.text
        with visitor(url) as proxied, Tab(proxied) as tab:
            assert "Demo only" in tab.text
        with Tab(browser, "Evaluate") as tab:
            assert "Demo only" in tab.text
