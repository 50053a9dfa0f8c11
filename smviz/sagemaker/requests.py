"""What is sent to an endpoint: the parameters of each kind, checked before anything leaves."""

from __future__ import annotations

from smviz.errors import InvalidRequest, PayloadTooLarge
from smviz.records import Payload
from smviz.sagemaker.limits import size_verdict
from smviz.settings import Request

# Most characters of a parameter that travels as an HTTP header; botocore declares them and does not look.
_LENGTHS = {
    "ContentType": 1024,
    "Accept": 1024,
    "CustomAttributes": 1024,
    "TargetVariant": 63,
    "TargetModel": 1024,
    "TargetContainerHostname": 63,
    "InferenceComponentName": 63,
}


def parameters(request: Request, payload: Payload) -> dict[str, str]:
    """The parameters of InvokeEndpoint but the body.

    Raises:
        PayloadTooLarge: when the endpoint would not take so many bytes.
        InvalidRequest: when a parameter could not travel as a header.
    """
    _check_size(request, payload)
    return _checked(
        {
            "EndpointName": request.endpoint,
            "ContentType": request.content_type or payload.content_type,
            "Accept": request.accept,
            "CustomAttributes": request.custom_attributes,
            "TargetVariant": request.variant,
            "TargetModel": request.target_model,
            "TargetContainerHostname": request.container,
            "InferenceComponentName": request.component,
        }
    )


def async_parameters(request: Request, payload: Payload) -> dict[str, str]:
    """The parameters of InvokeEndpointAsync but the body or its place in S3.

    Raises:
        PayloadTooLarge: when the endpoint would not take so many bytes.
        InvalidRequest: when a parameter could not travel as a header, or an asynchronous call has no such parameter.
    """
    targets = (request.variant, request.target_model, request.container, request.component)
    if any(targets):
        raise InvalidRequest(
            "An asynchronous endpoint cannot be told which variant, model, container or component is to answer.",
            "Leave them empty for this endpoint.",
        )
    _check_size(request, payload)
    return _checked(
        {
            "EndpointName": request.endpoint,
            "ContentType": request.content_type or payload.content_type,
            "Accept": request.accept,
            "CustomAttributes": request.custom_attributes,
        }
    )


def _check_size(request: Request, payload: Payload) -> None:
    size = size_verdict(request.hosting or "real-time", len(payload.body), inline=not request.s3_input)
    if size.ok:
        return
    advice = "Send a smaller image: fewer pixels, or a stronger JPEG compression."
    if request.hosting == "asynchronous" and not request.s3_input:
        advice = "Name a place in S3 for the images of this endpoint, s3://bucket/prefix, or send a smaller image."
    raise PayloadTooLarge(size.warning, advice)


def _checked(given: dict[str, str | None]) -> dict[str, str]:
    for name, value in given.items():
        if value and not (value.isascii() and value.isprintable() and len(value) <= _LENGTHS.get(name, 63)):
            raise InvalidRequest(
                f"{name} is not valid: {value[:80]!r}.",
                f"Write it in at most {_LENGTHS.get(name, 63):,} printable ASCII characters.",
            )
    return {name: value for name, value in given.items() if value}
