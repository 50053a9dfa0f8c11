"""The same call without smviz: lines for the AWS CLI, boto3 and curl, to copy into a POSIX shell or a Python file.

They read the image from a file in the current folder and write the reply to reply.json; an asynchronous endpoint
answers where that reply says. Keys are never written down: the lines take them from where AWS's own tools do.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from smviz.deployment import partition_of
from smviz.settings import Connection, Request

REPLY = "reply.json"
ANY_KEYS = "embedded"  # the embedded endpoint checks no keys, but AWS's tools insist on having some

_OPTIONS = {
    "EndpointName": "endpoint-name",
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "custom-attributes",
    "TargetVariant": "target-variant",
    "TargetModel": "target-model",
    "TargetContainerHostname": "target-container-hostname",
    "InferenceComponentName": "inference-component-name",
    "InputLocation": "input-location",
}
_HEADERS = {  # botocore's model of the service, sagemaker-runtime/2017-05-13
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "TargetVariant": "X-Amzn-SageMaker-Target-Variant",
    "TargetModel": "X-Amzn-SageMaker-Target-Model",
    "TargetContainerHostname": "X-Amzn-SageMaker-Target-Container-Hostname",
    "InferenceComponentName": "X-Amzn-SageMaker-Inference-Component",
    "InputLocation": "X-Amzn-SageMaker-InputLocation",
}
_DOMAINS = {  # botocore's partitions.json
    "aws-cn": "amazonaws.com.cn",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
    "aws-eusc": "amazonaws.eu",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        connection: where, and as whom.
        request: which endpoint, and how.
        content_type: the image's MIME type, where the request names none.
        file: the name of the file with the bytes that are sent.
        embedded: whether it goes to the embedded endpoint.
    """

    connection: Connection
    request: Request
    content_type: str
    file: str
    embedded: bool = False

    @property
    def asynchronous(self) -> bool:
        """Whether it is InvokeEndpointAsync."""
        return self.request.hosting == "asynchronous"

    @property
    def upload(self) -> str:
        """The S3 URI that the image is put at first; "" where it travels in the call."""
        prefix = self.request.s3_input if self.asynchronous else None
        return f"{prefix.rstrip('/')}/{self.file}" if prefix else ""

    def members(self) -> dict[str, str]:
        """The parameters of the operation but the body, as `sagemaker.SageMaker.invoke` sends them."""
        request = self.request
        given = {
            "EndpointName": request.endpoint,
            "ContentType": request.content_type or self.content_type,
            "Accept": request.accept,
            "CustomAttributes": request.custom_attributes,
            "TargetVariant": request.variant,
            "TargetModel": request.target_model,
            "TargetContainerHostname": request.container,
            "InferenceComponentName": request.component,
            "InputLocation": self.upload,
        }
        return {name: value for name, value in given.items() if value}


def aws_cli(call: Call) -> str:
    """Commands of the AWS CLI, version 1 or 2."""
    where = _where(call)
    if call.connection.endpoint_url:  # of SageMaker alone: S3 and STS are where they always are
        where.append(f"--endpoint-url {shlex.quote(call.connection.endpoint_url)}")
    before = [*_assume_role(call), *_upload(call)]
    operation = "invoke-endpoint-async" if call.asynchronous else "invoke-endpoint"
    options = [f"--{_OPTIONS[name]} {shlex.quote(value)}" for name, value in call.members().items()]
    if not call.upload:
        # The CLI puts variables of the environment into a path, and knows no way to write a "$" as such.
        path = f"/dev/stdin < {shlex.quote(call.file)}" if call.file[:1] == "~" or "$" in call.file else ""
        options.append(f"--body fileb://{path}" if path else f"--body {shlex.quote(f'fileb://{call.file}')}")
    outcome = f"> {REPLY}" if call.asynchronous else REPLY
    keys = f"AWS_ACCESS_KEY_ID={ANY_KEYS} AWS_SECRET_ACCESS_KEY={ANY_KEYS} " if call.embedded else ""
    command = _lines([f"{keys}aws sagemaker-runtime {operation}", *where, *options, outcome])
    return " &&\n".join([*before, command]) + "\n"


def curl(call: Call) -> str:
    """A command of curl 7.75 or newer, which signs the call with the keys in the environment.

    Those of a profile or role are put there first, by the AWS CLI; of a profile, that needs version 2.
    """
    before = _assume_role(call)
    if call.connection.profile and not call.connection.role:
        before = [f'eval "$(aws configure export-credentials {_profile(call)} --format env)"']
    before += _upload(call)
    region = call.connection.region
    default = f"https://runtime.sagemaker.{region}.{_DOMAINS.get(partition_of(region), 'amazonaws.com')}"
    action = "async-invocations" if call.asynchronous else "invocations"
    url = f"{(call.connection.endpoint_url or default).rstrip('/')}/endpoints/{quote(call.request.endpoint)}/{action}"
    user = f"{ANY_KEYS}:{ANY_KEYS}" if call.embedded else '"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
    # One word, with the option and its value together: zsh splits no expansion into words.
    token = [] if call.embedded else ['${AWS_SESSION_TOKEN:+"-Hx-amz-security-token: $AWS_SESSION_TOKEN"}']
    headers = _headers(call)
    # curl adds a type of its own to a body, and an asynchronous call tells the image's elsewhere.
    headers.setdefault("Content-Type", "application/octet-stream")
    lines = [
        f"curl --silent --show-error {shlex.quote(url)}",
        f"--aws-sigv4 {shlex.quote(f'aws:amz:{region}:sagemaker')} --user {user}",
        *token,
        *(f"--header {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()),
        "--data ''" if call.upload else f"--data-binary {shlex.quote(f'@{call.file}')}",
        f"--output {REPLY}",
    ]
    return " &&\n".join([*before, _lines(lines)]) + "\n"


def boto3_lines(call: Call) -> str:
    """A Python script."""
    arguments = "".join(f"    {name}={value!r},\n" for name, value in call.members().items())
    lines = ["import boto3", "", *_session(call)]
    if call.upload:
        bucket, _, key = call.upload.removeprefix("s3://").partition("/")
        kind = {"ContentType": call.members()["ContentType"]}
        lines += [f'session.client("s3").upload_file({call.file!r}, {bucket!r}, {key!r}, ExtraArgs={kind!r})']
    where = f", endpoint_url={call.connection.endpoint_url!r}" if call.connection.endpoint_url else ""
    lines += [f'runtime = session.client("sagemaker-runtime"{where})', ""]
    operation = "invoke_endpoint_async" if call.asynchronous else "invoke_endpoint"
    if call.upload:
        lines += [f"answer = runtime.{operation}(\n{arguments})"]
    else:
        lines += [
            f'with open({call.file!r}, "rb") as image:',
            f"    answer = runtime.{operation}(\n"
            + "".join(f"    {line}\n" for line in (*arguments.splitlines(), "    Body=image.read(),"))
            + "    )",
        ]
    if call.asynchronous:
        lines += ['print(answer["OutputLocation"])']
    else:
        lines += [f'with open("{REPLY}", "wb") as reply:', '    reply.write(answer["Body"].read())']
    return "\n".join(lines) + "\n"


def _headers(call: Call) -> dict[str, str]:
    kept = {name: value for name, value in call.members().items() if name in _HEADERS}
    named: Mapping[str, str] = _HEADERS
    if call.asynchronous:
        named = {**_HEADERS, "ContentType": "X-Amzn-SageMaker-Content-Type", "Accept": "X-Amzn-SageMaker-Accept"}
    return {named[name]: value for name, value in kept.items()}


def _where(call: Call) -> list[str]:
    options = [f"--region {shlex.quote(call.connection.region)}"]
    if _profile(call) and not call.connection.role:
        options.append(_profile(call))
    return options


def _profile(call: Call) -> str:
    return f"--profile {shlex.quote(call.connection.profile)}" if call.connection.profile else ""


def _upload(call: Call) -> list[str]:
    """Puts the image into S3, where it has to be there."""
    if not call.upload:
        return []
    options = [f"--content-type {shlex.quote(call.members()['ContentType'])}", *_where(call)]
    return [_lines([f"aws s3 cp {shlex.quote(f'./{call.file}')} {shlex.quote(call.upload)}", *options])]


def _assume_role(call: Call) -> list[str]:
    """Puts the keys of the role into the environment."""
    if not call.connection.role:
        return []
    parts = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    words = ", ".join(f"' {name}=', Credentials.{part}" for name, part in zip(names, parts, strict=True))
    options = [
        f"aws sts assume-role --role-arn {shlex.quote(call.connection.role or '')} --role-session-name smviz",
        f"--region {shlex.quote(call.connection.region)} --output text",
        *([_profile(call)] if _profile(call) else []),
        f"--query {shlex.quote(f'''join('', ['export', {words}])''')}",
    ]
    # The text runs as it is: keys and tokens are letters, digits, "/", "+" and "=".
    return [f'eval "$({_lines(options)})"']


def _session(call: Call) -> list[str]:
    connection = call.connection
    region = f"region_name={connection.region!r}"
    if call.embedded:
        keys = f'aws_access_key_id="{ANY_KEYS}", aws_secret_access_key="{ANY_KEYS}"'
        return [f"session = boto3.Session({region}, {keys})"]
    profile = f", profile_name={connection.profile!r}" if connection.profile else ""
    session = f"session = boto3.Session({region}{profile})"
    if not connection.role:
        return [session]
    return [
        session,
        f'role = session.client("sts").assume_role(RoleArn={connection.role!r}, RoleSessionName="smviz")',
        "session = boto3.Session(",
        f"    {region},",
        '    aws_access_key_id=role["Credentials"]["AccessKeyId"],',
        '    aws_secret_access_key=role["Credentials"]["SecretAccessKey"],',
        '    aws_session_token=role["Credentials"]["SessionToken"],',
        ")",
    ]


def _lines(parts: list[str]) -> str:
    return " \\\n  ".join(parts)
