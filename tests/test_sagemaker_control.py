"""The control plane, against moto: an implementation of AWS's that smviz did not write."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.stub import Stubber
from moto import mock_aws

from smviz import errors
from smviz.sagemaker import Identity, Model, SageMaker, profiles
from smviz.settings import Connection, Instances, Serverless

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/execution"
HERE = Connection("eu-west-1")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine on which no way to give AWS credentials is set up; its configuration folder is returned."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / ".aws").mkdir()
    return tmp_path / ".aws"


@pytest.fixture
def account(machine, monkeypatch):
    """An empty AWS account, and keys for it."""
    with mock_aws():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield boto3.client("sagemaker", region_name="eu-west-1")


@pytest.fixture
def door(account):
    return SageMaker(HERE, sleep=lambda seconds: None)


def trust(*services: str, action: str | list[str] = "sts:AssumeRole", effect: str = "Allow") -> str:
    principal = {"Service": services[0] if len(services) == 1 else list(services)}
    return json.dumps({"Statement": [{"Effect": effect, "Principal": principal, "Action": action}]})


class TestWhoami:
    def test_shows_account_and_user(self, door):
        """The account's number and the caller's name are told; no permission is needed for it."""
        identity = door.whoami()
        assert (identity.account, identity.name) == (ACCOUNT, "moto")

    def test_shows_the_role_that_was_assumed(self, account):
        """With a role in the connection everything is done as that role."""
        connection = Connection("eu-west-1", role=f"arn:aws:iam::{ACCOUNT}:role/auditors/reader")
        identity = SageMaker(connection).whoami()
        assert (identity.kind, identity.name) == ("role", "reader")
        assert identity.arn.endswith("/smviz")

    @pytest.mark.parametrize(
        ("arn", "kind", "name"),
        [
            (f"arn:aws:sts::{ACCOUNT}:assumed-role/dev/me@example.org", "role", "dev"),
            (f"arn:aws:iam::{ACCOUNT}:user/team/ada", "user", "ada"),
            (f"arn:aws:iam::{ACCOUNT}:root", "root", "root"),
            (f"arn:aws-cn:sts::{ACCOUNT}:federated-user/bob", "federated-user", "bob"),
        ],
    )
    def test_names_roles_users_and_root(self, arn, kind, name):
        """The name is what a person knows: the role without its session, the user without its path."""
        identity = Identity(ACCOUNT, arn)
        assert (identity.kind, identity.name) == (kind, name)


class TestCredentials:
    def write(self, machine, text: str) -> None:
        (machine / "config").write_text(text)

    def test_profiles_are_those_of_the_files(self, machine):
        """Profiles of both files are offered, once each, in order."""
        self.write(machine, "[profile work]\nregion=eu-west-1\n[profile play]\n")
        (machine / "credentials").write_text("[work]\naws_access_key_id=a\n[old]\n")
        assert profiles() == ("old", "play", "work")

    def test_no_files_are_no_profiles(self, machine):
        """A machine without files has none, even if AWS_PROFILE says otherwise."""
        assert profiles() == ()

    def test_a_broken_file_is_a_bad_setting(self, machine):
        """A file that cannot be read is named, with the advice to correct it."""
        self.write(machine, "[broken\nx")
        with pytest.raises(errors.BadSetting, match="config"):
            profiles()
        with pytest.raises(errors.BadSetting, match="config"):
            SageMaker(HERE)

    def test_the_chosen_profile_is_used(self, machine):
        """The request is signed with the key of the profile that the connection names."""
        (machine / "credentials").write_text(
            "[default]\naws_access_key_id=AKIADEFAULT\naws_secret_access_key=x\n"
            "[work]\naws_access_key_id=AKIAWORK\naws_secret_access_key=x\n"
        )
        assert self.key_used(Connection("eu-west-1", profile="work")) == "AKIAWORK"
        assert self.key_used(Connection("eu-west-1")) == "AKIADEFAULT"
        assert self.key_used(Connection("eu-west-1", profile="")) == "AKIADEFAULT"

    def key_used(self, connection: Connection) -> str:
        """The key that a request would have been signed with; it does not leave this machine."""
        heard: list[str] = []

        def answer(request, **_):
            heard.append(request.headers["Authorization"].decode())
            return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: [b'{"Endpoints": []}']))

        client = SageMaker(connection).clients.of("sagemaker")
        client.meta.events.register("before-send", answer)
        assert client.list_endpoints()["Endpoints"] == []
        return heard[0].split("Credential=")[1].split("/")[0]

    def test_a_profile_that_does_not_exist_is_named(self, machine):
        """A profile with a typing error is told when the door is opened."""
        with pytest.raises(errors.CredentialsError, match="nobody"):
            SageMaker(Connection("eu-west-1", profile="nobody"))

    def test_a_profile_that_wants_a_code_is_refused(self, machine):
        """botocore would ask for the code at the server's terminal, and the page would hang."""
        self.write(
            machine, "[profile m]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=m\nmfa_serial=arn:aws:iam::1:mfa/a\n"
        )
        with pytest.raises(errors.CredentialsError, match="second factor"):
            SageMaker(Connection("eu-west-1", profile="m"))

    @pytest.mark.parametrize("role", ["reader", "arn:aws:iam::12:role/x", f"arn:aws:iam::{ACCOUNT}:user/x"])
    def test_a_role_that_is_no_arn_is_refused(self, machine, role):
        """A typing error in the role is told when the door is opened."""
        with pytest.raises(errors.BadSetting, match="no ARN of a role"):
            SageMaker(Connection("eu-west-1", role=role))

    def test_a_role_without_credentials_to_assume_it_is_told(self, machine):
        """A role needs somebody who assumes it."""
        with pytest.raises(errors.CredentialsError, match="Unable to locate credentials"):
            SageMaker(Connection("eu-west-1", role=ROLE)).whoami()

    @pytest.mark.parametrize("url", ["localhost:8080", "http://", "http://[::1", "http://host:port", "http://a b"])
    def test_an_address_that_is_no_url_is_refused(self, machine, url):
        """A typing error in the address is told when the door is opened."""
        with pytest.raises(errors.BadSetting, match="no URL"):
            SageMaker(Connection("eu-west-1", url))

    @pytest.mark.parametrize("region", ["", "mars 1"])
    def test_a_region_that_is_none_is_refused(self, machine, region):
        """A typing error in the region is a bad setting."""
        with pytest.raises(errors.BadSetting, match="region"):
            SageMaker(Connection(region)).endpoints()

    def test_the_embedded_endpoint_needs_no_working_configuration(self, machine, monkeypatch):
        """A broken file and a wrong AWS_PROFILE do not matter on a loopback address, for no service."""
        self.write(machine, "[broken\nx")
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        clients = SageMaker(Connection("us-east-1", "http://127.0.0.1:9", profile="nobody", role="x")).clients
        assert {
            clients.of(name).meta.endpoint_url for name in ("sagemaker", "sagemaker-runtime", "sts", "iam", "s3")
        } == {"http://127.0.0.1:9"}

    def test_an_address_of_sagemakers_own_is_not_that_of_sts(self, machine):
        """A VPC endpoint of SageMaker serves SageMaker alone."""
        clients = SageMaker(
            Connection("eu-west-1", "https://vpce-1.api.sagemaker.eu-west-1.vpce.amazonaws.com")
        ).clients
        assert "vpce-1" in clients.of("sagemaker").meta.endpoint_url
        assert clients.of("sts").meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"

    def test_who_am_i_never_shows_real_keys_to_a_loopback_server(self, machine, monkeypatch):
        """GetCallerIdentity goes to the same URL as everything else, signed with the made-up key."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
        body = (
            b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn>"
            b"<Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
        heard: list[bytes] = []
        with socket.create_server(("127.0.0.1", 0)) as server:

            def answer() -> None:
                connection, _ = server.accept()
                with connection:
                    while b"GetCallerIdentity" not in b"".join(heard):
                        heard.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

            thread = threading.Thread(target=answer)
            thread.start()
            identity = SageMaker(Connection("us-east-1", f"http://127.0.0.1:{server.getsockname()[1]}")).whoami()
            thread.join()
        assert (identity.account, identity.name) == ("000000000000", "root")
        assert b"Credential=embedded/" in b"".join(heard)
        assert b"AKIAREAL" not in b"".join(heard)

    def test_many_threads_share_one_client(self, machine):
        """boto3 makes no clients in parallel; each is made once."""
        clients = SageMaker(Connection("us-east-1", "http://127.0.0.1:9")).clients
        with ThreadPoolExecutor(16) as pool:
            assert len(set(pool.map(clients.of, ["sts"] * 32))) == 1


class TestExecutionRoles:
    def test_are_those_that_sagemaker_may_assume(self, account, door):
        """Only roles that trust SageMaker are offered, in alphabetical order, beyond the first page."""
        iam = boto3.client("iam", region_name="eu-west-1")
        policies = {
            "b-plain": trust("sagemaker.amazonaws.com"),
            "a-several": trust("lambda.amazonaws.com", "sagemaker.amazonaws.com", action=["sts:TagSession", "sts:*"]),
            "lambda-only": trust("lambda.amazonaws.com"),
            "denied": trust("sagemaker.amazonaws.com", effect="Deny"),
            "other-action": trust("sagemaker.amazonaws.com", action="sts:TagSession"),
        }
        for name, policy in policies.items():
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
        for number in range(110):
            iam.create_role(RoleName=f"x{number}", AssumeRolePolicyDocument=policies["lambda-only"])
        iam.create_role(RoleName="z-last", AssumeRolePolicyDocument=policies["b-plain"])
        assert [arn.rpartition("/")[2] for arn in door.execution_roles()] == ["a-several", "b-plain", "z-last"]


class TestDeploying:
    def test_a_model_is_made_as_given(self, door):
        """Image, artefact and role come back from DescribeModel."""
        door.create_model("m", ROLE, "image:1", "s3://b/model.tar.gz", {"A": "1"})
        assert door.describe_model("m") == Model("m", ROLE, ("image:1",), ("s3://b/model.tar.gz",))

    def test_an_endpoint_of_instances_is_made_and_taken_away_again(self, door):
        """Model, config and endpoint, and back in the right order."""
        door.create_model("m", ROLE, "image:1")
        door.create_endpoint_config("c", "m", Instances("ml.m5.large", 2))
        door.create_endpoint("e", "c")
        endpoint = door.describe("e")
        (variant,) = endpoint.variants
        assert (endpoint.hosting, endpoint.traits, endpoint.config) == ("real-time", (), "c")
        assert (variant.name, variant.instance, variant.count, variant.model) == ("AllTraffic", "ml.m5.large", 2, "m")
        door.delete_endpoint("e")
        door.delete_endpoint_config("c")
        door.delete_model("m")
        assert door.endpoints() == ()

    def test_a_serverless_endpoint_has_memory_and_concurrency(self, door):
        """A serverless variant has no instance, but a memory size and a most of calls at once."""
        door.create_model("m", ROLE, "image:1")
        door.create_endpoint_config("c", "m", Serverless(4096, 7))
        door.create_endpoint("e", "c")
        (variant,) = door.describe("e").variants
        assert door.describe("e").kind == "serverless"
        assert (variant.instance, variant.memory, variant.concurrency) == ("serverless", 4096, 7)

    def test_a_config_tells_its_models(self, door):
        """What a config stands on is known also when no endpoint uses it any more."""
        door.create_model("m", ROLE, "image:1")
        door.create_endpoint_config("c", "m", Instances("ml.m5.large"))
        assert [(v.name, v.model, v.instance) for v in door.describe_endpoint_config("c")] == [
            ("AllTraffic", "m", "ml.m5.large")
        ]

    @pytest.mark.parametrize("verb", ["delete_endpoint", "delete_endpoint_config", "describe_model", "describe"])
    def test_what_does_not_exist_is_not_found(self, door, verb):
        """A wrong name is typed, whichever the verb."""
        with pytest.raises(errors.NotFound, match="nope"):
            getattr(door, verb)("nope")

    def test_a_serverless_size_that_does_not_exist_is_invalid(self, door):
        """AWS's own words say which sizes there are."""
        door.create_model("m", ROLE, "image:1")
        with pytest.raises(errors.InvalidRequest, match="MemorySizeInMB"):
            door.create_endpoint_config("c", "m", Serverless(1500, 1))


class TestEventualConsistency:
    """A config that was just made may not be seen by CreateEndpoint yet."""

    CONFIG = {
        "EndpointConfigName": "c",
        "EndpointConfigArn": f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:endpoint-config/c",
        "ProductionVariants": [{"VariantName": "v"}],
        "CreationTime": 0,
    }
    ARN = {"EndpointArn": f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:endpoint/e"}
    UNSEEN = 'Could not find endpoint configuration "c".'

    @pytest.fixture
    def stubbed(self):
        waits: list[float] = []
        door = SageMaker(Connection("eu-west-1", "http://127.0.0.1:9"), sleep=waits.append)
        with Stubber(door.clients.of("sagemaker")) as stub:
            yield door, stub, waits

    @pytest.mark.parametrize("verb", ["create_endpoint", "update_endpoint"])
    def test_is_waited_out(self, stubbed, verb):
        """DescribeEndpointConfig goes first; both may fail, and are tried again."""
        door, stub, waits = stubbed
        stub.add_client_error("describe_endpoint_config", "ValidationException", self.UNSEEN, 400)
        stub.add_response("describe_endpoint_config", self.CONFIG)
        stub.add_client_error(verb, "ValidationException", self.UNSEEN, 400)
        stub.add_response("describe_endpoint_config", self.CONFIG)
        stub.add_response(verb, self.ARN, {"EndpointName": "e", "EndpointConfigName": "c"})
        getattr(door, verb)("e", "c")
        stub.assert_no_pending_responses()
        assert waits == [1.0, 2.0]

    def test_is_not_waited_for_ever(self, stubbed):
        """A config that never appears is not found after 15 seconds."""
        door, stub, waits = stubbed
        for _ in range(4):
            stub.add_client_error("describe_endpoint_config", "ValidationException", self.UNSEEN, 400)
        stub.add_client_error("create_endpoint", "ValidationException", self.UNSEEN, 400)
        with pytest.raises(errors.NotFound, match="configuration"):
            door.create_endpoint("e", "c")
        assert sum(waits) == 15.0

    @pytest.mark.parametrize(
        ("code", "message", "kind", "advice"),
        [
            ("ValidationException", "Cannot create already existing endpoint.", errors.InvalidRequest, "another name"),
            ("ResourceLimitExceeded", "limit is 0 Instances", errors.InvalidRequest, "higher quota"),
            ("AccessDeniedException", "not authorized", errors.AccessDenied, "another role"),
        ],
    )
    def test_is_no_reason_to_wait_for_other_refusals(self, stubbed, code, message, kind, advice):
        """A name that is taken, a quota and a missing permission do not settle by themselves."""
        door, stub, waits = stubbed
        stub.add_response("describe_endpoint_config", self.CONFIG)
        stub.add_client_error("create_endpoint", code, message, 400)
        with pytest.raises(kind, match=advice):
            door.create_endpoint("e", "c")
        assert waits == []
