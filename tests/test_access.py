"""Who is let in and how far is told by the policy alone; what is not clearly allowed is not."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smviz.access import LOCAL, VISITOR, Person, Policy, Role, is_local
from smviz.errors import BadSetting, NotAllowed
from smviz.settings import Connection

EXAMPLE = Path(__file__).parent.parent / ".streamlit" / "secrets.toml.example"
ANN = Person("ann@example.com", "Ann", Role.OWNER)
BOB = Person("bob@example.com", "Bob", Role.USER)
EVE = Person("eve@example.com", "Eve", Role.VIEWER)
AWS = Connection("eu-west-1")
EVERYTHING = Policy(owners=("@example.com", "you@else.org"), users=("@example.com",), viewers=("@example.com",))

LOOPBACK = {"Host": "localhost:8501", "Origin": "http://localhost:8501"}


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "bob@evil-example.com",
            "bob@example.com.evil.com",
            "bob@sub.example.com",
            "bob@evil.com@example.com",
            "bob@@example.com",
            "@example.com",
            "bob@example.com ",
            " bob@example.com",
            "bob@example.com\n",
            "bob@example.com,you@else.org",
            '"bob@evil.com"@example.com',
            "bob <bob@example.com>",
            "bob@example.com.",
            "bob@\u0435xample.com",  # a Cyrillic e
            "bob@example\u3002com",  # an ideographic full stop
            "bob@e\u200bxample.com",  # a space that nobody sees
            "bob@xn--xample-2of.com",
            "*@example.com",
            "",
        ],
    )
    def test_what_only_looks_like_one_of_the_domain_is_nobody(self, address):
        """A domain is exactly itself: no end of another, nothing below it, no second @, no other letters."""
        assert EVERYTHING.role_of(address) is None

    @pytest.mark.parametrize("address", ["\u017fam@example.com", "\u212aim@example.com", "strasse\u00df@example.com"])
    def test_letters_that_python_would_fold_are_others(self, address):
        """A long s is no s, a Kelvin sign no k, and ß not ss, though `str.casefold` makes one of them."""
        policy = Policy(users=(address.casefold(),))
        assert address.casefold() != address
        assert policy.role_of(address) is None
        assert policy.role_of(address.casefold()) is Role.USER

    @given(st.text(), st.sampled_from(["example.com", "EXAMPLE.com"]))
    @example("a@b", "example.com")
    def test_whoever_is_of_the_domain_has_one_at_and_something_before_it(self, name, domain):
        """Of all texts before @example.com, none with a second @, a space or nothing at all is let in."""
        role = EVERYTHING.role_of(f"{name}@{domain}")
        assert role is None or ("@" not in name and name.strip() == name != "" and name.isprintable())

    @given(st.text(min_size=1), st.text(min_size=1))
    def test_nobody_of_another_domain(self, name, domain):
        """Whatever stands behind the last @, it is let in only where it is the domain, A to Z in any case."""
        if EVERYTHING.role_of(f"{name}@{domain}") is not None:
            assert domain.isascii()
            assert domain.lower() in {"example.com", "else.org"}

    @given(st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9-]{1,10}\.[a-z]{2,5}", fullmatch=True), st.data())
    def test_upper_and_lower_case_are_the_same(self, address, data):
        """An address on the list is let in however its A to Z are written, in the list or by the provider."""
        flips = data.draw(st.lists(st.booleans(), min_size=len(address), max_size=len(address)))
        other = "".join(c.upper() if flip else c for c, flip in zip(address, flips, strict=True))
        for listed, told in ((address, other), (other, address)):
            assert Policy.read({"users": [listed]}, {}).role_of(told) is Role.USER
        assert Person(address, "", Role.USER).key == Person(other, "", Role.USER).key

    @given(st.emails(), st.emails())
    def test_two_addresses_have_two_keys(self, a, b):
        """People who differ by more than case never share a folder."""
        same = Person(a, "", Role.USER).key == Person(b, "", Role.USER).key
        assert same is (a.lower() == b.lower())

    def test_a_key_tells_no_address(self):
        """What stands in folders and logs is 32 hexadecimal digits."""
        assert set(ANN.key) <= set("0123456789abcdef")
        assert len(ANN.key) == 32


class TestRoles:
    def test_an_address_goes_before_its_domain(self):
        """One person of a domain can be given less than the others, or more."""
        policy = Policy(owners=("ann@example.com",), users=("@example.com",), viewers=("kim@example.com",))
        assert policy.role_of("ann@example.com") is Role.OWNER
        assert policy.role_of("bob@example.com") is Role.USER
        assert policy.role_of("kim@example.com") is Role.VIEWER

    def test_in_several_lists_the_highest_counts(self):
        """Named as owner and as viewer, a person is an owner; so is a domain."""
        assert Policy(owners=("a@b.c",), viewers=("a@b.c",)).role_of("a@b.c") is Role.OWNER
        assert Policy(owners=("@b.c",), viewers=("@b.c",)).role_of("a@b.c") is Role.OWNER

    def test_both_spellings_of_a_domain(self):
        """ "@example.com" and "*@example.com" mean the same."""
        assert Policy.read({"users": ["*@example.com"]}, {}) == Policy.read({"users": ["@Example.com"]}, {})

    def test_without_lists_nobody_is_let_in(self):
        """An empty policy has no role for anybody."""
        assert Policy().role_of("ann@example.com") is None

    @pytest.mark.parametrize(
        ("person", "needed", "allowed"),
        [
            (person, needed, person.local or (person.role >= needed and not (person.visitor and needed is Role.OWNER)))
            for person in (LOCAL, VISITOR, ANN, BOB, EVE)
            for needed in Role
        ],
    )
    def test_a_higher_role_may_all_that_a_lower_may(self, person, needed, allowed):
        """And a refusal names the role it takes, and where it is given."""
        if allowed:
            EVERYTHING.check_role(person, needed, "do this")
            return
        with pytest.raises(NotAllowed, match="may not do this") as caught:
            EVERYTHING.check_role(person, needed, "do this")
        assert caught.value.advice


class TestConnections:
    def test_users_call_aws_with_the_servers_credentials(self):
        """In a region, and nothing else."""
        Policy().check_connection(BOB, AWS)

    @pytest.mark.parametrize(
        ("person", "where", "words"),
        [
            (VISITOR, AWS, "Nobody can log in"),
            (EVE, AWS, "A viewer may not call anything"),
            (BOB, Connection("eu-west-1", profile="prod"), "may not choose a profile or a role"),
            (BOB, Connection("eu-west-1", role="arn:aws:iam::123456789012:role/x"), "may not choose a profile"),
            (BOB, Connection("eu-west-1", "http://169.254.169.254"), "neither AWS nor the demo"),
            (ANN, Connection("eu-west-1", "http://127.0.0.1:22"), "neither AWS nor the demo"),
            (VISITOR, Connection("eu-west-1", "http://10.0.0.1"), "Nobody can log in"),
        ],
    )
    def test_nothing_else_is_reached(self, person, where, words):
        """No address inside the server's network, no credentials that are not theirs, and visitors call nothing."""
        with pytest.raises(NotAllowed, match=words):
            Policy().check_connection(person, where)

    def test_the_demo_is_open_to_whoever_may_call(self):
        """A visitor and a user may; a viewer calls nothing at all."""
        demo = Connection("us-east-1", "http://127.0.0.1:1234")
        Policy().check_connection(VISITOR, demo, demo=True)
        Policy().check_connection(BOB, demo, demo=True)
        with pytest.raises(NotAllowed):
            Policy().check_connection(EVE, demo, demo=True)

    def test_owners_choose_profiles_and_roles(self):
        """Of those the server has."""
        Policy().check_connection(ANN, Connection("eu-west-1", profile="prod", role="arn:aws:iam::123456789012:role/x"))

    def test_endpoints_by_region_and_name(self):
        """A pattern matches whole names, in their upper and lower case."""
        policy = Policy(regions=("eu-west-1",), endpoints=("cars-*", "Boats"))
        policy.check_endpoint(BOB, "eu-west-1", "cars-7")
        for region, name, words in (
            ("us-east-1", "cars-7", "regions"),
            ("eu-west-1", "my-cars-7", "endpoints"),
            ("eu-west-1", "boats", "endpoints"),
            ("eu-west-1", "", "endpoints"),
        ):
            with pytest.raises(NotAllowed, match=f"{words} allows"):
                policy.check_endpoint(ANN, region, name)

    def test_no_lists_mean_all_endpoints_of_all_regions(self):
        """To whoever may call AWS at all."""
        Policy().check_endpoint(BOB, "eu-west-1", "anything")

    @pytest.mark.parametrize("uri", ["s3://set/a.jpg", "s3://set/", "s3://set", "s3://other/in/b.jpg", "s3://logs-7/x"])
    def test_places_below_the_prefixes(self, uri):
        """A prefix is a folder, with or without a slash; a pattern may stand for several."""
        Policy(s3_prefixes=("s3://set", "s3://other/in/", "s3://logs-*")).check_s3(BOB, uri)

    @pytest.mark.parametrize("uri", ["s3://settings/a.jpg", "s3://other/into/b.jpg", "s3://other", "set/a.jpg", ""])
    def test_places_elsewhere(self, uri):
        """Another bucket whose name begins alike is another one."""
        with pytest.raises(NotAllowed, match="s3_prefixes"):
            Policy(s3_prefixes=("s3://set", "s3://other/in/")).check_s3(BOB, uri)

    def test_nothing_in_s3_unless_it_is_named(self):
        """The server's credentials may read more than its users should."""
        for person in (ANN, BOB, VISITOR):
            with pytest.raises(NotAllowed):
                Policy().check_s3(person, "s3://set/a.jpg")


class TestLimits:
    def test_each_names_itself_its_value_and_who_can_change_it(self):
        """So that nobody has to guess why."""
        policy = Policy(images_per_run=10, megapixels=1.5, megabytes=2)
        for setting, limit, check in (
            ("images_per_run", "10 images", lambda who: policy.check_run(who, 11)),
            ("megapixels", "1.5 megapixels", lambda who: policy.check_pixels(who, 1500, 1001)),
            ("megabytes", "2 MB", lambda who: policy.check_file(who, 2_000_001)),
        ):
            check(LOCAL)
            with pytest.raises(NotAllowed, match=limit) as caught:
                check(ANN)
            assert f"{setting} in [smviz]" in caught.value.advice
            assert f"SMVIZ_{setting.upper()}" in caught.value.advice

    def test_what_is_just_within(self):
        """The limit itself is allowed."""
        policy = Policy(images_per_run=10, megapixels=1.5, megabytes=2)
        policy.check_run(BOB, 10)
        policy.check_pixels(BOB, 1500, 1000)
        policy.check_file(BOB, 2_000_000)

    def test_zero_is_none(self):
        """Where nothing is set, nothing is refused but what other doors refuse."""
        Policy().check_run(BOB, 10**9)
        Policy().check_pixels(BOB, 10**6, 10**6)
        Policy().check_file(BOB, 10**12)

    def test_visitors_have_limits_in_any_case(self):
        """Where none are set; those that are set stay."""
        limited = Policy(megabytes=3).for_visitors()
        assert limited.megabytes == 3
        assert min(limited.requests_per_minute, limited.images_per_run, limited.megapixels) > 0


class TestReading:
    def test_the_example_is_valid(self):
        """What people copy has every setting, and means something."""
        table = tomllib.loads(EXAMPLE.read_text("utf-8"))["smviz"]
        assert set(table) == {field.name for field in fields(Policy)}
        assert Policy.read(table, {}).role_of("You@example.com") is Role.OWNER

    def test_the_environment_goes_first(self):
        """Commas stand between several values; an empty variable is none."""
        table = {"users": ["a@b.c"], "megapixels": 5, "regions": ["us-east-1"]}
        given = {"SMVIZ_USERS": " d@e.f, @g.h ,", "SMVIZ_MEGAPIXELS": "2.5", "SMVIZ_REGIONS": " "}
        policy = Policy.read(table, given)
        assert policy.users == ("d@e.f", "@g.h")
        assert policy.megapixels == 2.5
        assert policy.regions == ("us-east-1",)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("owners", ["everybody"]),
            ("owners", ["*"]),
            ("users", ["@"]),
            ("users", ["*@*"]),
            ("users", ["*@*.example.com"]),
            ("users", ["ann@example.com", 7]),
            ("users", {"ann": True}),
            ("viewers", ["a b@example.com"]),
            ("viewers", ["a@b@example.com"]),
            ("regions", 7),
            ("endpoints", [["x"]]),
            ("s3_prefixes", ["bucket/prefix"]),
            ("s3_prefixes", ["s3://*"]),
            ("s3_prefixes", ["*"]),
            ("requests_per_minute", -1),
            ("requests_per_minute", 1.5),
            ("requests_per_minute", True),
            ("images_per_run", "many"),
            ("megapixels", float("nan")),
            ("megabytes", float("inf")),
            ("usd_per_day", "-5"),
            ("usd_per_day", None),
        ],
    )
    def test_a_wrong_value_is_named(self, setting, value):
        """In the file or in the environment: the error says which setting it is, and how it is written."""
        with pytest.raises(BadSetting, match=setting) as caught:
            Policy.read({setting: value}, {})
        assert caught.value.advice
        if isinstance(value, str):
            with pytest.raises(BadSetting, match=f"SMVIZ_{setting.upper()}"):
                Policy.read({}, {f"SMVIZ_{setting.upper()}": value})

    def test_a_setting_that_is_not_known_is_named(self):
        """A slip of the pen must not open what it was to close."""
        with pytest.raises(BadSetting, match="'enpoints'"):
            Policy.read({"enpoints": ["x"]}, {})


class TestWhoSitsHere:
    @pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1", "127.8.9.10"])
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST:8501"])
    def test_the_browser_on_this_machine(self, bound, host):
        """The server listens on loopback, and the browser asks for loopback."""
        assert is_local(bound, {"Host": host, "Origin": f"http://{host}"}, None)
        assert is_local(bound, {"host": host, "origin": "http://127.0.0.1:8501"}, None)

    @pytest.mark.parametrize("bound", [None, "", "0.0.0.0", "::", "192.168.1.5", "smviz.example.com", "unix://x.sock"])
    def test_a_server_that_others_reach(self, bound):
        """Whoever asks, from wherever: nobody is known to sit here."""
        assert not is_local(bound, LOOPBACK, None)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X-Forwarded-For", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("X-Forwarded-Host", "localhost"),
            ("Forwarded", "for=127.0.0.1"),
            ("X-Real-IP", "127.0.0.1"),
            ("Via", "1.1 proxy"),
            ("CF-Connecting-IP", "127.0.0.1"),
            ("CF-Ray", "1"),
            ("True-Client-IP", "127.0.0.1"),
            ("X-Client-IP", "127.0.0.1"),
            ("X-Cluster-Client-IP", "127.0.0.1"),
            ("X-Amzn-Trace-Id", "Root=1"),
            ("X-Original-Host", "localhost"),
            ("X-Envoy-External-Address", "1.2.3.4"),
            ("Fly-Client-IP", "1.2.3.4"),
            ("CDN-Loop", "cloudflare"),
            ("X-Forwarded", ""),
        ],
    )
    def test_a_proxy_that_says_so(self, name, value):
        """Any header of a proxy is enough, whatever it holds: who sits here uses none."""
        assert is_local("127.0.0.1", LOOPBACK, None)
        assert not is_local("127.0.0.1", {**LOOPBACK, name: value}, None)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Host": "localhost:8501"},
            {"Origin": "http://localhost:8501"},
            {**LOOPBACK, "Host": ""},
            {**LOOPBACK, "Host": "smviz.example.com"},
            {**LOOPBACK, "Host": "localhost.evil.com"},
            {**LOOPBACK, "Host": "127.0.0.1.evil.com"},
            {**LOOPBACK, "Host": "127.0.0.1@evil.com"},
            {**LOOPBACK, "Host": "[::1"},
            {**LOOPBACK, "Host": "localhost, evil.com"},
            {**LOOPBACK, "Origin": "https://smviz.example.com"},
            {**LOOPBACK, "Origin": "http://localhost@evil.com"},
            {**LOOPBACK, "Origin": "null"},
            {**LOOPBACK, "Origin": ""},
        ],
    )
    def test_a_name_or_a_page_from_elsewhere(self, headers):
        """A proxy that adds nothing passes the Origin on; a name that leads to 127.0.0.1 stands in the Host."""
        assert not is_local("127.0.0.1", headers, None)

    def test_a_connection_from_elsewhere(self):
        """Streamlit tells the address of whoever is not on loopback."""
        assert not is_local("127.0.0.1", LOOPBACK, "10.1.2.3")
