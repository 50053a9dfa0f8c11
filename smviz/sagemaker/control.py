"""The control plane: list, describe, create, update and delete what an endpoint is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from botocore import exceptions as vendor

from smviz import errors
from smviz.records import Endpoint, Variant
from smviz.sagemaker import endpoints as told
from smviz.sagemaker.endpoints import Model
from smviz.sagemaker.failures import typed_errors
from smviz.sagemaker.session import Clients
from smviz.settings import Connection, Instances, Serverless

Answer = TypeVar("Answer")
_WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds until a new config should be seen by every reader of SageMaker's store


class ControlPlane:
    """What there is in one region, and what it is made of. Every method raises an `EndpointError`."""

    def __init__(self, connection: Connection, pool: int = 32, sleep: Callable[[float], None] = time.sleep) -> None:
        """Nothing is called yet; `clients` are boto3's own, by service name.

        Args:
            connection: which SageMaker, with whose credentials.
            pool: the most calls that run at once.
            sleep: how to wait so many seconds.

        Raises:
            CredentialsError: when the profile does not exist, or asks for a code that nobody could type here.
            BadSetting: when the region, the address or the role's ARN is not valid.
        """
        self.clients = Clients(connection, pool)
        self._sleep = sleep

    @property
    def _control(self) -> Any:
        return self.clients.of("sagemaker")

    def endpoints(self, name_contains: str = "", status: str = "") -> tuple[Endpoint, ...]:
        """All endpoints of the region, newest first, page by page; variants and kinds are not told here."""
        filters = {"NameContains": name_contains, "StatusEquals": status}
        with typed_errors("list the endpoints"):
            pages = self._control.get_paginator("list_endpoints").paginate(
                SortBy="CreationTime",
                SortOrder="Descending",
                PaginationConfig={"PageSize": 100},
                **{key: value for key, value in filters.items() if value},
            )
            return tuple(told.listed(row) for page in pages for row in page["Endpoints"])

    def describe(self, name: str) -> Endpoint:
        """One endpoint with its kind and variants: also its config, models and inference components are read.

        What the credentials may not read, or what was deleted from under the endpoint, is named in `notes`.
        """
        with typed_errors(f"describe endpoint {name}"):
            found = self._control.describe_endpoint(EndpointName=name)
        notes: list[str] = []
        config_name = found.get("EndpointConfigName", "")
        config = _optional(partial(self._config, config_name), notes) if config_name else None
        config = config or {}
        models = [_optional(partial(self.describe_model, model), notes) for model in told.model_names(config)]
        components = _optional(partial(self.components, name), notes) if told.takes_components(config) else None
        return told.described(found, config, [model for model in models if model], components or (), notes)

    def describe_all(self, listed: tuple[Endpoint, ...], workers: int = 8) -> tuple[Endpoint, ...]:
        """The same endpoints with their kinds and variants, in their order, described in parallel.

        One that cannot be described, for example because it has just been deleted, stays as it was, with a note.
        """
        with ThreadPoolExecutor(workers) as pool:
            return tuple(pool.map(self._completed, listed))

    def components(self, endpoint: str) -> tuple[str, ...]:
        """The inference components of an endpoint that are in service, by name."""
        with typed_errors(f"list the inference components of {endpoint}"):
            pages = self._control.get_paginator("list_inference_components").paginate(
                EndpointNameEquals=endpoint, StatusEquals="InService", SortBy="Name", SortOrder="Ascending"
            )
            return tuple(row["InferenceComponentName"] for page in pages for row in page["InferenceComponents"])

    def describe_model(self, name: str) -> Model:
        """One model: its containers, artefacts and execution role."""
        with typed_errors(f"describe model {name}"):
            return told.model_of(self._control.describe_model(ModelName=name))

    def describe_endpoint_config(self, name: str) -> tuple[Variant, ...]:
        """The variants of an endpoint config, each with its model's name."""
        return told.variants_of(self._config(name))

    def execution_roles(self) -> tuple[str, ...]:
        """The ARNs of the account's roles that SageMaker may assume, in alphabetical order."""
        with typed_errors("list the roles"):
            pages = self.clients.of("iam").get_paginator("list_roles").paginate()
            rows = [row for page in pages for row in page["Roles"]]
        return tuple(sorted(row["Arn"] for row in rows if _trusts_sagemaker(row.get("AssumeRolePolicyDocument"))))

    def create_model(
        self, name: str, role: str, image: str, data: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        """Make a model of one container.

        Args:
            name: new in this region.
            role: the ARN of the execution role.
            image: the address of the container's image in this region's registry.
            data: the artefact, s3://bucket/model.tar.gz; "" when the image holds it.
            environment: the container's environment variables.
        """
        container = {"Image": image, "ModelDataUrl": data, "Environment": dict(environment or {})}
        with typed_errors(f"create model {name}"):
            self._control.create_model(
                ModelName=name,
                ExecutionRoleArn=role,
                PrimaryContainer={key: value for key, value in container.items() if value},
            )

    def create_endpoint_config(
        self, name: str, model: str, hosting: Instances | Serverless, variant: str = "AllTraffic"
    ) -> None:
        """Make an endpoint config of one variant."""
        row: dict[str, Any] = {"VariantName": variant, "ModelName": model, "InitialVariantWeight": 1.0}
        if isinstance(hosting, Serverless):
            row["ServerlessConfig"] = {"MemorySizeInMB": hosting.memory, "MaxConcurrency": hosting.concurrency}
        else:
            row |= {"InstanceType": hosting.type, "InitialInstanceCount": hosting.count}
        with typed_errors(f"create endpoint config {name}"):
            self._control.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[row])

    def create_endpoint(self, name: str, config: str) -> None:
        """Begin to make an endpoint, which takes minutes and costs from InService on; `describe` tells how far it is.

        A config that was made a moment ago may not be seen yet: the store behind is eventually consistent (API
        reference of CreateEndpoint). A refusal is therefore tried again for up to 15 seconds.
        """
        with typed_errors(f"create endpoint {name}"):
            self._once_consistent(self._control.create_endpoint, EndpointName=name, EndpointConfigName=config)

    def update_endpoint(self, name: str, config: str) -> None:
        """Begin to move an endpoint to another config; it answers all the while."""
        with typed_errors(f"update endpoint {name}"):
            self._once_consistent(self._control.update_endpoint, EndpointName=name, EndpointConfigName=config)

    def delete_endpoint(self, name: str) -> None:
        """Begin to delete an endpoint, and with it the cost; its config and models stay. First of the three."""
        with typed_errors(f"delete endpoint {name}"):
            self._control.delete_endpoint(EndpointName=name)

    def delete_endpoint_config(self, name: str) -> None:
        """Delete an endpoint config; never one of a live endpoint. Second of the three."""
        with typed_errors(f"delete endpoint config {name}"):
            self._control.delete_endpoint_config(EndpointConfigName=name)

    def delete_model(self, name: str) -> None:
        """Delete a model; its artefact in S3, its role and its logs stay. Last of the three."""
        with typed_errors(f"delete model {name}"):
            self._control.delete_model(ModelName=name)

    def _completed(self, endpoint: Endpoint) -> Endpoint:
        message = ""
        for wait in _WAITS:
            try:
                return self.describe(endpoint.name)
            except (errors.AccessDenied, errors.NotFound) as error:
                return replace(endpoint, notes=(error.message,))
            except (errors.Throttled, errors.ServiceError) as error:
                message = error.message
                self._sleep(wait)
        return replace(endpoint, notes=(message,))

    def _config(self, name: str) -> Mapping[str, Any]:
        with typed_errors(f"describe endpoint config {name}"):
            found: Mapping[str, Any] = self._control.describe_endpoint_config(EndpointConfigName=name)
            return found

    def _once_consistent(self, change: Callable[..., object], **names: str) -> None:
        for wait in _WAITS:
            try:
                self._control.describe_endpoint_config(EndpointConfigName=names["EndpointConfigName"])
                change(**names)
                return
            except vendor.ClientError as error:
                if not _may_settle(error):
                    raise
                self._sleep(wait)
        change(**names)


def _may_settle(error: vendor.ClientError) -> bool:
    refusal = error.response.get("Error", {})
    text = str(refusal.get("Message") or "").lower()
    return refusal.get("Code") == "ValidationException" and "already exist" not in text and "in-progress" not in text


def _optional(read: Callable[[], Answer], notes: list[str]) -> Answer | None:
    """What was read, or None with a note when it may not be read or is no longer there."""
    try:
        return read()
    except (errors.AccessDenied, errors.NotFound) as error:
        notes.append(error.message)
        return None


def _trusts_sagemaker(policy: Mapping[str, Any] | str | None) -> bool:
    """Whether a trust policy lets SageMaker assume the role; conditions are not weighed."""
    statements = policy.get("Statement", ()) if isinstance(policy, Mapping) else ()
    return any(
        statement.get("Effect") == "Allow"
        and {"sts:AssumeRole", "sts:*", "*"} & set(_several(statement.get("Action")))
        and any(service.startswith("sagemaker.amazonaws.com") for service in _services(statement.get("Principal")))
        for statement in _several(statements)
    )


def _services(principal: Any) -> list[str]:
    return _several(principal.get("Service")) if isinstance(principal, Mapping) else []


def _several(value: Any) -> list[Any]:
    """Policies write one thing as itself, and several as a list."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
