"""The requests of the control plane as typed shapes, with SageMaker's own constraints.

Lengths, patterns and enums are those of SageMaker's service model (API version 2017-07-24). Members that are not
listed here (data capture, VPC settings and so on) are accepted, told by Describe, and have no effect. Two constraints
differ: instance types are checked by their form, since SageMaker's list grows all the time, and artefacts may be
`embedded://` URLs. Inference components are not served, so a variant must name its model.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Name = Annotated[str, Meta(max_length=63, pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}\Z")]
NamePart = Annotated[str, Meta(max_length=63, pattern=r"^[a-zA-Z0-9-]+\Z")]
Artefact = Annotated[str, Meta(max_length=1024, pattern=r"^(https|s3|embedded)://([^/]+)/?(.*)\Z")]
Image = Annotated[str, Meta(max_length=255, pattern=r"^\S+\Z")]
InstanceType = Annotated[str, Meta(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+\Z")]
RoleArn = Annotated[
    str, Meta(min_length=20, max_length=2048, pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+\Z")
]
S3Url = Annotated[str, Meta(max_length=512, pattern=r"^(https|s3)://([^/]+)/?(.*)\Z")]
Weight = Annotated[float, Meta(ge=0, le=3.4e38)]
Status = Literal[
    "OutOfService",
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "InService",
    "Deleting",
    "Failed",
    "UpdateRollbackFailed",
]


class Shape(Struct, rename="pascal", kw_only=True, omit_defaults=True):
    """Base of all shapes: members are named as on the wire, ModelName for model_name."""


class Told(Shape):
    """A request whose members Describe tells again; `given` is all of them, also those that have no effect here."""

    given: dict[str, Any] = {}


class Container(Shape):
    """The image and artefact that a model consists of; a multi-model container's artefact is a folder of them."""

    container_hostname: Name | None = None
    image: Image | None = None
    mode: Literal["SingleModel", "MultiModel"] = "SingleModel"
    model_data_url: Artefact | None = None
    environment: dict[str, str] = {}


class InferenceExecutionConfig(Shape):
    """Whether the containers of a model are a pipeline, or the client names the one that it wants."""

    mode: Literal["Serial", "Direct"]


class CreateModel(Told, kw_only=True):
    """Either one primary container or a list of them."""

    model_name: Name
    primary_container: Container | None = None
    containers: Annotated[list[Container], Meta(max_length=15)] = []
    inference_execution_config: InferenceExecutionConfig | None = None
    execution_role_arn: RoleArn | None = None

    @property
    def all_containers(self) -> list[Container]:
        """The primary container, or the listed ones."""
        return [self.primary_container] if self.primary_container else self.containers

    @property
    def is_direct(self) -> bool:
        """Whether the client names the container that it wants."""
        return self.inference_execution_config is not None and self.inference_execution_config.mode == "Direct"

    @property
    def is_multi_model(self) -> bool:
        """Whether the client names the model that it wants."""
        return self.all_containers[0].mode == "MultiModel"


class ServerlessConfig(Shape):
    """How large the instances of a serverless variant are, and how many calls it takes at once."""

    memory: Annotated[int, Meta(ge=1024, le=6144, multiple_of=1024)] = field(name="MemorySizeInMB")
    max_concurrency: Annotated[int, Meta(ge=1, le=200)]
    provisioned_concurrency: Annotated[int, Meta(ge=1, le=200)] | None = None


class ProductionVariant(Shape):
    """A model, and the share of the traffic and the machine that it gets."""

    variant_name: Name
    model_name: Name
    initial_instance_count: Annotated[int, Meta(ge=1)] | None = None
    instance_type: InstanceType | None = None
    initial_variant_weight: Weight = 1.0
    serverless_config: ServerlessConfig | None = None


class AsyncOutputConfig(Shape):
    """Where the replies of an asynchronous endpoint go."""

    s3_output_path: S3Url | None = None
    s3_failure_path: S3Url | None = None


class AsyncClientConfig(Shape):
    """How many calls an instance of an asynchronous endpoint takes at once."""

    max_concurrent_invocations_per_instance: Annotated[int, Meta(ge=1, le=1000)] | None = None


class AsyncInferenceConfig(Shape):
    """Makes an endpoint asynchronous."""

    output_config: AsyncOutputConfig
    client_config: AsyncClientConfig | None = None


class CreateEndpointConfig(Told, kw_only=True):
    """The variants of an endpoint to be."""

    endpoint_config_name: Name
    production_variants: Annotated[list[ProductionVariant], Meta(min_length=1, max_length=10)]
    shadow_production_variants: Annotated[list[ProductionVariant], Meta(max_length=10)] = []
    async_inference_config: AsyncInferenceConfig | None = None

    @property
    def all_variants(self) -> list[ProductionVariant]:
        """The production variants, then the shadow variants."""
        return [*self.production_variants, *self.shadow_production_variants]


class CreateEndpoint(Shape):
    """An endpoint from a config."""

    endpoint_name: Name
    endpoint_config_name: Name


class UpdateEndpoint(CreateEndpoint):
    """Another config for an endpoint in service."""


class OneModel(Shape):
    """Names the model to describe or delete."""

    model_name: Name


class OneEndpointConfig(Shape):
    """Names the endpoint config to describe or delete."""

    endpoint_config_name: Name


class OneEndpoint(Shape):
    """Names the endpoint to describe or delete."""

    endpoint_name: Name


class Listing(Shape):
    """Which rows of a list are asked for; times are seconds since 1970."""

    sort_by: Literal["Name", "CreationTime"] = "CreationTime"
    sort_order: Literal["Ascending", "Descending"] = "Descending"
    next_token: Annotated[str, Meta(max_length=8192)] | None = None
    max_results: Annotated[int, Meta(ge=1, le=100)] = 10
    name_contains: NamePart = ""
    creation_time_before: float | None = None
    creation_time_after: float | None = None


class ListEndpoints(Listing):
    """Endpoints can also be sorted by status, and filtered by status and by their last change."""

    sort_by: Literal["Name", "CreationTime", "Status"] = "CreationTime"  # type: ignore[assignment]
    last_modified_time_before: float | None = None
    last_modified_time_after: float | None = None
    status_equals: Status | None = None
