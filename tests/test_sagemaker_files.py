"""A prefix in S3 is a source like any other: listed page by page, read object by object, with typed errors."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from smviz import errors
from smviz.sagemaker import SageMaker
from smviz.settings import Connection
from smviz.sources import from_manifest, read_location

ODD = [
    "a b.jpg",
    "ä+ö.jpg",
    "100%.jpg",
    "what?.jpg",
    "a#1&2=3.jpg",
    "a%20b.jpg",
    "q'uote\".jpg",
    "日本/図.jpg",
    "t\tab.jpg",
]
PAGE = 1000  # objects that S3 lists at once


@pytest.fixture(scope="module")
def aws():
    """moto's AWS, with a bucket of 2,500 objects."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.delenv("AWS_PROFILE", raising=False)
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="sets")
        for number in range(2_500):
            s3.put_object(Bucket="sets", Key=f"large/{number:04}.jpg", Body=b"%d" % number)
        yield s3


@pytest.fixture(scope="module")
def door(aws):
    return SageMaker(Connection("us-east-1"))


@pytest.fixture
def bucket(aws):
    """An empty bucket of moto's, by name."""
    aws.create_bucket(Bucket="small")
    yield "small"
    for row in aws.list_objects_v2(Bucket="small").get("Contents", ()):
        aws.delete_object(Bucket="small", Key=row["Key"])
    aws.delete_bucket(Bucket="small")


def put(aws, *keys):
    """Objects in the small bucket whose bytes are their keys."""
    for key in keys:
        aws.put_object(Bucket="small", Key=key, Body=key.encode())


def calls_of(door, operation):
    """A list that grows with every call of an operation."""
    calls = []
    door.clients.of("s3").meta.events.register(f"before-call.s3.{operation}", lambda **call: calls.append(call))
    return calls


class TestPrefix:
    def test_of_many_pages(self, door):
        """2,500 objects come on three pages; each has its name, size, bytes and location."""
        calls = calls_of(door, "ListObjectsV2")
        files = list(door.s3_source("s3://sets/large/"))
        assert [file.name for file in files] == [f"{number:04}.jpg" for number in range(2_500)]
        assert len(calls) == 3
        last = files[-1]
        assert (last.size, last.read(), last.location) == (4, b"2499", "s3://sets/large/2499.jpg")

    def test_is_listed_as_it_is_asked_for(self, door):
        """Nothing is called before the first file is wanted, and the second page only after the first is used up."""
        calls = calls_of(door, "ListObjectsV2")
        files = iter(door.s3_source("s3://sets/large"))
        assert len(calls) == 0
        list(islice(files, PAGE))
        assert len(calls) == 1
        next(files)
        assert len(calls) == 2

    @pytest.mark.parametrize("uri", ["s3://small/set", "s3://small/set/"])
    def test_is_a_folder(self, aws, door, bucket, uri):
        """With or without a slash at its end: what only begins alike is elsewhere; markers and hidden files are out."""
        put(aws, "set/", "set/b.jpg", "set/sub/", "set/sub/a.jpg", "set-2/c.jpg", "set.txt", "set/.DS_Store")
        assert {file.name: file.read() for file in door.s3_source(uri)} == {
            "b.jpg": b"set/b.jpg",
            "sub/a.jpg": b"set/sub/a.jpg",
        }

    @pytest.mark.parametrize("uri", ["s3://small", "s3://small/"])
    def test_may_be_the_bucket(self, aws, door, bucket, uri):
        """Without a prefix it is all of the bucket."""
        put(aws, "a.jpg", "set/b.jpg")
        assert [file.name for file in door.s3_source(uri)] == ["a.jpg", "set/b.jpg"]

    def test_with_odd_keys(self, aws, door, bucket):
        """Blanks, percent signs, question marks and other scripts are names like any other, also by their location."""
        put(aws, *(f"odd #1/{name}" for name in ODD))
        files = list(door.s3_source("s3://small/odd #1"))
        assert {file.name for file in files} == set(ODD)
        for file in files:
            assert file.read() == read_location(file.location, door.s3_read) == f"odd #1/{file.name}".encode()

    @pytest.mark.parametrize(
        "key", ["set/../../etc/passwd", "set//a.jpg", "set/a\\b.jpg", "set/./a.jpg", "set/C:a.jpg"]
    )
    def test_keys_that_are_no_paths_are_refused(self, door, key):
        """S3 takes any key; one that would lead elsewhere as a path is named."""
        with Stubber(door.clients.of("s3")) as stub:
            stub.add_response("list_objects_v2", {"Contents": [{"Key": key, "Size": 1}], "IsTruncated": False})
            with pytest.raises(errors.BadSource, match="s3://small/set has a") as caught:
                list(door.s3_source("s3://small/set"))
        assert repr(key.removeprefix("set/")) in caught.value.message

    def test_without_objects_has_no_files(self, door, bucket):
        """A prefix that nothing has is an empty folder."""
        assert list(door.s3_source("s3://small/nothing/here")) == []

    def test_reads_what_a_manifest_lists(self, aws, door, bucket, tmp_path):
        """The door's `s3_read` is what a manifest needs to reach S3."""
        put(aws, "set/a.jpg")
        path = tmp_path / "m.manifest"
        path.write_text(json.dumps({"source-ref": "s3://small/set/a.jpg"}))
        assert [file.read() for file in from_manifest(path, door.s3_read)] == [b"set/a.jpg"]


class TestWrongPlaces:
    @pytest.mark.parametrize("uri", ["", "s3:/sets/a", "s3://", "s3:///a", "sets/a", "https://sets.s3.amazonaws.com/a"])
    def test_what_is_no_uri(self, door, uri):
        """It is refused before anything is called, for listing and for reading."""
        with pytest.raises(errors.BadSource, match="is no place in S3"):
            door.s3_source(uri)
        with pytest.raises(errors.BadSource, match="is no place in S3"):
            door.s3_read(uri)

    def test_a_bucket_is_no_object(self, door):
        """To read, a key is needed."""
        with pytest.raises(errors.BadSource, match="no object in it"):
            door.s3_read("s3://sets/")

    def test_a_bucket_name_that_cannot_be(self, door):
        """botocore refuses it, and that is typed."""
        with pytest.raises(errors.InvalidRequest, match="Could not list s3://no bucket/x"):
            list(door.s3_source("s3://no bucket/x"))

    def test_a_bucket_or_object_that_is_not_there(self, door):
        """S3's own answers become `NotFound`, with the URI."""
        with pytest.raises(errors.NotFound, match="Could not list s3://no-such-bucket/x"):
            list(door.s3_source("s3://no-such-bucket/x"))
        with pytest.raises(errors.NotFound, match=r"Could not read s3://sets/gone\.jpg"):
            door.s3_read("s3://sets/gone.jpg")

    def test_an_object_deleted_after_it_was_listed(self, aws, door, bucket):
        """Its reading fails by itself."""
        put(aws, "a.jpg", "b.jpg")
        first, second = door.s3_source("s3://small")
        aws.delete_object(Bucket="small", Key="a.jpg")
        with pytest.raises(errors.NotFound):
            first.read()
        assert second.read() == b"b.jpg"

    def test_nobody_there(self):
        """A server that cannot be reached is `Unreachable`."""
        with pytest.raises(errors.Unreachable):
            list(SageMaker(Connection("us-east-1", "http://127.0.0.1:1")).s3_source("s3://sets"))


class S3Error(ThreadingHTTPServer):
    """A server on this machine that answers every request with one error of S3.

    With a `home`, requests that are signed for that region get an object.
    """

    status, code, message, home = 500, "InternalError", "No.", ""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), S3ErrorHandler)


class S3ErrorHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        told = self.server
        good = told.home and f"/{told.home}/s3/" in self.headers["Authorization"]
        error = f"<Error><Code>{told.code}</Code><Message>{told.message}</Message></Error>"
        body = b"at home" if good else error.encode()
        self.send_response(200 if good else told.status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-bucket-region", told.home or "eu-west-1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def refused():
    """The server, and a door to it."""
    with S3Error() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server, SageMaker(Connection("us-east-1", f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()


@pytest.fixture
def refusing(refused):
    """The door to a server that answers as it is told here."""
    server, door = refused

    def told(status, code, message="No.", home=""):
        server.status, server.code, server.message, server.home = status, code, message, home
        return door

    return told


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", errors.AccessDenied),
        (404, "NoSuchBucket", errors.NotFound),
        (400, "ExpiredToken", errors.CredentialsError),
        (403, "InvalidAccessKeyId", errors.CredentialsError),
        (403, "SignatureDoesNotMatch", errors.CredentialsError),
        (403, "RequestTimeTooSkewed", errors.CredentialsError),
        (403, "InvalidObjectState", errors.InvalidRequest),
        (301, "PermanentRedirect", errors.InvalidRequest),
        (503, "SlowDown", errors.Throttled),
        (500, "InternalError", errors.ServiceError),
    ],
)
class TestRefusals:
    def test_while_listing(self, refusing, status, code, error):
        """Over a real socket: S3's code becomes the same error as with every other call."""
        with pytest.raises(error, match="Could not list s3://sets/large"):
            list(refusing(status, code).s3_source("s3://sets/large"))

    def test_while_reading(self, refusing, status, code, error):
        """So it does for one object."""
        with pytest.raises(error, match=r"Could not read s3://sets/a\.jpg"):
            refusing(status, code).s3_read("s3://sets/a.jpg")


class TestOtherRegion:
    def test_is_found_by_itself(self, refusing):
        """S3 tells where the bucket is, and the request is signed again for that region."""
        assert refusing(301, "PermanentRedirect", home="eu-central-1").s3_read("s3://abroad/a.jpg") == b"at home"

    def test_that_does_not_take_us_either_says_so(self, refusing):
        """S3's own words and code are shown when the second try is sent away too."""
        words = "The bucket you are attempting to access must be addressed using the specified endpoint."
        with pytest.raises(errors.InvalidRequest) as caught:
            refusing(301, "PermanentRedirect", words).s3_read("s3://elsewhere/a.jpg")
        assert words in caught.value.message
        assert "PermanentRedirect" in caught.value.message
