"""What the members of a request may not be together; what each may be for itself is in its shape."""

from __future__ import annotations

from collections.abc import Mapping

from smviz.local.shapes import CreateEndpointConfig, CreateModel
from smviz.local.wire import invalid


def check_model(request: CreateModel) -> None:
    """Exactly one way of giving containers, and what their modes need.

    Raises:
        AwsError: ValidationException.
    """
    if (request.primary_container is None) == (not request.containers):
        raise invalid("Exactly one of PrimaryContainer and Containers must be given.")
    names = [container.container_hostname for container in request.all_containers]
    if request.is_direct and (len(names) < 2 or None in names):
        raise invalid("In Direct mode there must be several Containers, each with a ContainerHostname.")
    given = [name for name in names if name]
    if len(set(given)) < len(given):
        raise invalid("The hostnames of the containers must differ from each other.")
    multi_model = [container for container in request.all_containers if container.mode == "MultiModel"]
    if multi_model and request.is_direct:
        raise invalid("A container in MultiModel mode cannot be one of several in Direct mode.")
    if not all(container.model_data_url for container in multi_model):
        raise invalid("A container in MultiModel mode needs a ModelDataUrl, the folder of its models.")


def check_variants(request: CreateEndpointConfig, models: Mapping[str, CreateModel]) -> None:
    """Distinct names, a machine for each variant, some traffic, and one shadow at most.

    Args:
        request: the variants.
        models: the variants' models by name.

    Raises:
        AwsError: ValidationException.
    """
    production, shadow, both = request.production_variants, request.shadow_production_variants, request.all_variants
    for variant in both:
        if (variant.instance_type is None) == (variant.serverless_config is None):
            raise invalid(f"Variant {variant.variant_name}: give InstanceType or ServerlessConfig, and not both.")
    if len({variant.variant_name for variant in both}) < len(both):
        raise invalid("The names of the variants must differ from each other.")
    if not any(variant.initial_variant_weight for variant in production):
        raise invalid("At least one production variant must have an InitialVariantWeight above zero.")
    if shadow and len(both) != 2:
        raise invalid("With ShadowProductionVariants there must be one production variant and one shadow variant.")
    if any(variant.serverless_config for variant in both):
        _check_serverless(request, models[both[0].model_name])


def _check_serverless(request: CreateEndpointConfig, model: CreateModel) -> None:
    """What serverless inference excludes."""
    if len(request.all_variants) > 1:
        raise invalid("An endpoint with a ServerlessConfig can have one variant only.")
    if len(model.all_containers) > 1 or model.is_multi_model:
        raise invalid("A variant with a ServerlessConfig can have one container with one model only.")
    if request.async_inference_config:
        raise invalid("A variant with a ServerlessConfig cannot have an AsyncInferenceConfig.")
