"""STS and IAM of the embedded endpoint, called by boto3 over a real socket."""

from __future__ import annotations

import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from urllib.error import HTTPError

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from smviz.local import EmbeddedServer

SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
ROLE = "arn:aws:iam::000000000000:role/service-role/AmazonSageMaker-ExecutionRole-embedded"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


def client(service: str, server: EmbeddedServer):
    config = Config(proxies={}, retries={"total_max_attempts": 1})
    return SESSION.client(service, endpoint_url=server.url, config=config)


def post(server: EmbeddedServer, body: bytes) -> tuple[int, ElementTree.Element]:
    """The status and the XML that a form is answered with."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(urllib.request.Request(server.url, body, headers), timeout=10)
    except HTTPError as error:
        answer = error
    return answer.status, ElementTree.fromstring(answer.read())


def test_the_caller_is_the_embedded_account(server):
    """GetCallerIdentity tells account 000000000000, whatever the credentials, and a request id."""
    identity = client("sts", server).get_caller_identity()
    assert identity["Account"] == "000000000000"
    assert identity["Arn"] == "arn:aws:iam::000000000000:root"
    assert identity["ResponseMetadata"]["RequestId"]


class TestListRoles:
    def test_there_is_one_execution_role(self, server):
        """ListRoles tells one role, in full, and that there are no more pages."""
        answer = client("iam", server).list_roles()
        (role,) = answer["Roles"]
        assert (role["Arn"], role["Path"] + role["RoleName"]) == (ROLE, ROLE.partition(":role")[2])
        assert role["CreateDate"].year >= 2024
        assert not answer["IsTruncated"]

    def test_sagemaker_may_assume_it(self, server):
        """The trust policy is read as JSON by boto3, and names sagemaker.amazonaws.com."""
        (role,) = client("iam", server).list_roles()["Roles"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")

    def test_its_trust_policy_is_url_encoded(self, server):
        """On the wire the policy is URL-encoded JSON, as IAM sends it."""
        _, answer = post(server, b"Action=ListRoles&Version=2010-05-08")
        assert answer.find(".//{*}AssumeRolePolicyDocument").text.startswith("%7B%22Version%22%3A")

    @pytest.mark.parametrize(("prefix", "count"), [("/", 1), ("/service-role/", 1), ("/other/", 0)])
    def test_path_prefix_narrows_it(self, server, prefix, count):
        """Only roles below PathPrefix are told, page by page."""
        pages = client("iam", server).get_paginator("list_roles").paginate(PathPrefix=prefix)
        assert len([role for page in pages for role in page["Roles"]]) == count

    def test_sagemaker_takes_its_arn(self, server):
        """CreateModel accepts the ARN as ExecutionRoleArn, and the demo models were made with it."""
        sagemaker = client("sagemaker", server)
        sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "a:1"}, ExecutionRoleArn=ROLE)
        for name in ("m", "highway-a"):
            assert sagemaker.describe_model(ModelName=name)["ExecutionRoleArn"] == ROLE


class TestErrors:
    def test_other_actions_say_so(self, server):
        """Every other action of STS and IAM is refused with InvalidAction, which names it."""
        for service, call in (("sts", "get_session_token"), ("iam", "list_users")):
            with pytest.raises(ClientError) as caught:
                getattr(client(service, server), call)()
            response = caught.value.response
            assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("InvalidAction", 400)
            assert call.replace("_", "") in response["Error"]["Message"].lower()
            assert response["ResponseMetadata"]["RequestId"]

    @pytest.mark.parametrize("body", [b"", b"Action=", b"\xff\xfe", b"Action=<b>&Version=x", b"Action=%00", b"&&=&"])
    def test_malformed_forms_get_well_formed_xml(self, server, body):
        """A form without a known action, or of other bytes, is InvalidAction in XML that can be read."""
        code, answer = post(server, body)
        assert code == 400
        assert answer.tag.endswith("}ErrorResponse")
        assert answer.find("{*}Error/{*}Code").text == "InvalidAction"
