"""The one table from AWS's error codes and botocore's exceptions to smviz's errors, with what to do about each."""

from __future__ import annotations

from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError

from smviz import errors

TRY_LATER = "Try again in a moment."
_RENEW = "Renew the credentials (for example with `aws sso login`) and check this machine's clock, then try again."
_SMALLER = "Send a smaller image: fewer pixels, or a stronger JPEG compression."
_LIST = "List the endpoints of this region and choose one of them."
_NETWORK = "Check the network, a proxy or VPC endpoint, and that the region is right; then try again."
CORRECT = "Correct what the message names and try again."
_CONFIGURATION = "Correct the AWS configuration of this machine (~/.aws/config and AWS_ variables), then try again."
_GIVE = "Give AWS credentials in one of the usual ways, or mend the profile that the message names."
_ALLOW = "Ask the account's owner for the action that the message names, or use another role."
_BUCKET = (
    "Check the bucket, the prefix and the region. For an asynchronous endpoint, check also that its execution role"
    " writes its answers there."
)

# What an error code means to smviz, and what a person should do next.
CODES: dict[str, tuple[type[errors.EndpointError], str]] = {
    **dict.fromkeys(
        (
            "ThrottlingException",
            "Throttling",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "LimitExceededException",
            "SlowDown",
        ),
        (errors.Throttled, "Try again in a moment, with fewer calls at once or more instances behind the endpoint."),
    ),
    "ModelNotReadyException": (errors.ModelNotReady, "The model is still being loaded; try again in a minute."),
    **dict.fromkeys(
        (
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "ServiceFailure",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalDependencyException",
            "InternalStreamFailure",
            "RequestTimeout",
            "500",
            "502",
            "503",
            "504",
            "530",
        ),
        (errors.ServiceError, TRY_LATER),
    ),
    **dict.fromkeys(
        ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "403"), (errors.AccessDenied, _ALLOW)
    ),
    "RegionDisabledException": (errors.AccessDenied, "Have the region enabled for the account, or choose another one."),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "UnrecognizedClientException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "InvalidToken",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
        ),
        (errors.CredentialsError, _RENEW),
    ),
    **dict.fromkeys(
        ("413", "RequestEntityTooLarge", "RequestEntityTooLargeException", "EntityTooLarge"),
        (errors.PayloadTooLarge, _SMALLER),
    ),
    "ResourceNotFound": (errors.NotFound, _LIST),
    **dict.fromkeys(("NoSuchBucket", "NoSuchKey", "404"), (errors.NotFound, _BUCKET)),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        (errors.InvalidRequest, "The bucket is in another region: choose that region."),
    ),
    "InvalidObjectState": (errors.InvalidRequest, "The object is archived: restore it, or name another place."),
    **dict.fromkeys(
        ("InvalidRequest", "InvalidWriteOffset", "TooManyParts", "EncryptionTypeMismatch"),
        (errors.InvalidRequest, "Check the bucket's encryption and its other settings, or name another place in S3."),
    ),
    **dict.fromkeys(
        ("MalformedPolicyDocument", "PackedPolicyTooLarge"),
        (errors.InvalidRequest, "Check the role, its policies and its session tags, or choose another role."),
    ),
    "ResourceLimitExceeded": (errors.InvalidRequest, "Ask AWS for a higher quota, or delete what is not in use."),
    "ResourceAlreadyExists": (errors.InvalidRequest, "Choose another name, or use what is there."),
    "ResourceInUse": (errors.InvalidRequest, "Choose another name, or wait until the other change has ended."),
    "ConflictException": (errors.InvalidRequest, "Wait until the other change has ended, then try again."),
    "UnknownOperationException": (errors.InvalidRequest, "This server does not have that operation."),
}

# ValidationException (control plane) and ValidationError (runtime) are told apart by a fragment of their message.
VALIDATION: tuple[tuple[str, type[errors.EndpointError], str], ...] = (
    ("already exist", errors.InvalidRequest, "Choose another name, or use what is there."),
    ("in-progress", errors.InvalidRequest, "Wait until the other change has ended, then try again."),
    ("not find", errors.NotFound, _LIST),
    ("not found", errors.NotFound, _LIST),
    ("not in service", errors.NotInService, "Wait until its status is InService, then try again."),
    ("oversize", errors.PayloadTooLarge, _SMALLER),
    ("content length exceeded", errors.PayloadTooLarge, _SMALLER),
    ("inference component name header is required", errors.InvalidRequest, "Choose one of the inference components."),
    ("does not support target model", errors.InvalidRequest, "Leave the target model empty for this endpoint."),
    ("target model", errors.InvalidRequest, "Name the artefact to load: its path under the model's S3 prefix."),
    ("target container", errors.InvalidRequest, "Choose one of the endpoint's container hostnames, or none."),
    ("asynchronous", errors.InvalidRequest, "Describe the endpoint again: an asynchronous one is called through S3."),
)

# What botocore raises of its own, most special first. What is not here is a bug of smviz, and shows as one.
VENDOR: tuple[tuple[tuple[type[Exception], ...], type[errors.SmvizError], str], ...] = (
    (
        (
            vendor.NoCredentialsError,
            vendor.PartialCredentialsError,
            vendor.CredentialRetrievalError,
            vendor.TokenRetrievalError,
            vendor.NoAuthTokenError,
            vendor.SSOError,
            vendor.LoginError,
            vendor.ProfileNotFound,
            vendor.MetadataRetrievalError,
            vendor.RefreshWithMFAUnsupportedError,
            vendor.UnknownCredentialError,
            vendor.UnknownTokenProviderError,
            vendor.InfiniteLoopConfigError,
        ),
        errors.CredentialsError,
        _GIVE,
    ),
    (
        (
            vendor.NoRegionError,
            vendor.InvalidRegionError,
            vendor.UnknownRegionError,
            vendor.UnknownEndpointError,
            vendor.ServiceNotInRegionError,
            vendor.EndpointProviderError,
            vendor.EndpointVariantError,
            vendor.UnknownFIPSEndpointError,
        ),
        errors.BadSetting,
        "Choose one of the listed regions.",
    ),
    (
        (
            vendor.ConfigNotFound,
            vendor.ConfigParseError,
            vendor.InvalidConfigError,
            vendor.InvalidDefaultsMode,
            vendor.InvalidChecksumConfigError,
            vendor.InvalidEndpointConfigurationError,
            vendor.InvalidEndpointDiscoveryConfigurationError,
            vendor.InvalidIMDSEndpointError,
            vendor.InvalidIMDSEndpointModeError,
            vendor.InvalidProxiesConfigError,
            vendor.InvalidRetryConfigurationError,
            vendor.InvalidS3AddressingStyleError,
            vendor.InvalidS3UsEast1RegionalEndpointConfigError,
            vendor.InvalidSTSRegionalEndpointsConfigError,
            vendor.UnsupportedS3ConfigurationError,
            vendor.UnsupportedS3AccesspointConfigurationError,
            vendor.UnsupportedS3ControlConfigurationError,
            vendor.UnsupportedSignatureVersionError,
            vendor.UnknownSignatureVersionError,
            vendor.MissingDependencyException,
            vendor.MD5UnavailableError,
        ),
        errors.BadSetting,
        _CONFIGURATION,
    ),
    (
        (
            vendor.ParamValidationError,
            vendor.ValidationError,
            vendor.MissingParametersError,
            vendor.InvalidDNSNameError,
            vendor.InvalidHostLabelError,
            vendor.UnsupportedS3ArnError,
            vendor.UnsupportedS3ControlArnError,
            vendor.UnsupportedOutpostResourceError,
        ),
        errors.InvalidRequest,
        CORRECT,
    ),
    ((vendor.CapacityNotAvailableError,), errors.Throttled, "Try again in a moment, with fewer calls at once."),
    ((vendor.PaginationError,), errors.ServiceError, TRY_LATER),
    (
        (ResponseParserError,),
        errors.Unreachable,
        "Something on the way answered in AWS's place: check the address, a proxy, or a network that wants a log-in.",
    ),
    (
        (vendor.ConnectionClosedError,),
        errors.Unreachable,
        "Try again; where it happens with big images only, send them smaller.",
    ),
    (
        (vendor.ReadTimeoutError,),
        errors.NoAnswer,
        "Every further try runs the model again: send a smaller image, or use a faster instance.",
    ),
    (
        (
            vendor.HTTPClientError,
            vendor.ConnectionError,
            vendor.IncompleteReadError,
            vendor.ChecksumError,
            vendor.FlexibleChecksumError,
            vendor.AwsChunkedWrapperError,
        ),
        errors.Unreachable,
        _NETWORK,
    ),
)
