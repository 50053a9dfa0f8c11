"""The AWS CLI, unchanged, against the embedded endpoint."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from aws_cli import AWS_CLI

from smviz.local import SAMPLES, EmbeddedServer

# As written in the README of aws-samples/amazon-sagemaker-inference-client, but for --endpoint-url.
SETUP = """
MODEL_NAME=aws-vehicle-rear-detect-2020-05-09
MODEL_CONTAINER=811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:latest
MODEL_S3_URI=s3://my-s3-bucket/aws-vehicle-rear-detect-2020-05-09-model.tar.gz
SM_EXE_ROLE_ARN=arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole
EPC_NAME=epc-inference-client-application
EP_NAME=ep-inference-client-application
"""
CREATE_MODEL = r"""
aws sagemaker create-model \
--model-name $MODEL_NAME \
--primary-container "Image=$MODEL_CONTAINER, ModelDataUrl=$MODEL_S3_URI" \
--execution-role-arn $SM_EXE_ROLE_ARN
"""
CREATE_ENDPOINT_CONFIG = r"""
aws sagemaker create-endpoint-config \
--endpoint-config-name $EPC_NAME \
--production-variants '[{"VariantName":"variant-1", "ModelName":"aws-vehicle-rear-detect-2020-05-09", "InitialInstanceCount": 1, "InstanceType":"ml.m4.xlarge"}]'
"""  # noqa: E501
CREATE_ENDPOINT = r"""
aws sagemaker create-endpoint \
--endpoint-name $EP_NAME \
--endpoint-config-name $EPC_NAME
"""


class Terminal:
    """A shell with the AWS CLI, made-up credentials, and a proxy that nothing must go through."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment |= {
            **AWS_CLI,
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
        }

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        script = f"set -e\n{SETUP}\n{command.strip()} --endpoint-url {self.url}"
        return subprocess.run(
            ["bash", "-c", script], env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=60
        )

    def aws(self, command: str) -> dict:
        """The JSON that a command prints; {} when it prints nothing."""
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")


@pytest.fixture
def terminal(tmp_path):
    with EmbeddedServer(delay=0.3) as server:
        yield Terminal(server.url, tmp_path)


def test_deploys_waits_invokes_and_deletes(terminal):
    """The three commands of the README deploy; then the CLI waits, lists, invokes, and deletes everything again."""
    model = terminal.aws(CREATE_MODEL)
    assert model["ModelArn"].endswith(":model/aws-vehicle-rear-detect-2020-05-09")
    config = terminal.aws(CREATE_ENDPOINT_CONFIG)
    assert config["EndpointConfigArn"].endswith(":endpoint-config/epc-inference-client-application")
    endpoint = terminal.aws(CREATE_ENDPOINT)
    assert endpoint["EndpointArn"].endswith(":endpoint/ep-inference-client-application")

    terminal.aws("aws sagemaker wait endpoint-in-service --endpoint-name $EP_NAME")
    listed = terminal.aws("aws sagemaker list-endpoints --name-contains ep-inference")["Endpoints"]
    assert [(e["EndpointName"], e["EndpointStatus"]) for e in listed] == [
        ("ep-inference-client-application", "InService")
    ]

    answer = terminal.aws(
        "aws sagemaker-runtime invoke-endpoint --endpoint-name $EP_NAME --content-type image/jpeg "
        f"--body 'fileb://{SAMPLES.images[0]}' reply.json"
    )
    assert answer["InvokedProductionVariant"] == "variant-1"
    rows = json.loads((terminal.home / "reply.json").read_bytes())["prediction"]
    assert all(len(row) == 6 for row in rows)
    assert rows[0][1] > 0.5

    terminal.aws("aws sagemaker delete-endpoint --endpoint-name $EP_NAME")
    terminal.aws("aws sagemaker wait endpoint-deleted --endpoint-name $EP_NAME")
    terminal.aws("aws sagemaker delete-endpoint-config --endpoint-config-name $EPC_NAME")
    terminal.aws("aws sagemaker delete-model --model-name $MODEL_NAME")
    gone = terminal.run("aws sagemaker describe-endpoint --endpoint-name $EP_NAME")
    assert gone.returncode != 0
    assert "(ValidationException)" in gone.stderr
    assert 'Could not find endpoint "arn:aws:sagemaker:us-east-1' in gone.stderr
