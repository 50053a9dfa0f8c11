"""What an endpoint's FailureReason most likely means."""

from __future__ import annotations

# The fragments are of messages that SageMaker is known to write; a reason may hold several.
_CAUSES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("ping health check", "health check"),
        (
            "The container did not answer GET /ping in time: within 4 minutes of its start, 3 on serverless.",
            "It may have crashed while it loaded the model, for want of memory or of a file: its log tells.",
            "A big model may only need longer: raise ContainerStartupHealthCheckTimeoutInSeconds (60 to 3600).",
        ),
    ),
    (
        ("cannotstartcontainer", "docker run"),
        (
            "The image has no program that starts with the argument `serve`, or it is not executable.",
            "The image was built for another processor, for example arm64 instead of amd64.",
        ),
    ),
    (
        ("insufficient capacity", "insufficientinstancecapacity", "unable to provision", "capacityerror"),
        (
            "AWS has no free instance of this type in the region just now: try again later.",
            "Another instance type, another region, or a VPC with more subnets may have room.",
        ),
    ),
    (
        ("service limit", "quota", "resourcelimitexceeded", "limit exceeded"),
        ("The account may not run so many of these instances, in new accounts often none: ask for a higher quota.",),
    ),
    (
        ("images included in the model", "ecr", "repository", "pull image", "image does not exist"),
        (
            "The image does not exist under this account, region, repository and tag: it must be in the same region.",
            "The execution role may not pull it: ecr:BatchGetImage, GetDownloadUrlForLayer, GetAuthorizationToken.",
        ),
    ),
    (
        ("model data", "model artifact", "located at the url", "s3 object"),
        (
            "There is no object under the model's S3 address, or its bucket is in another region.",
            "The execution role may not read it: s3:GetObject, and kms:Decrypt where the bucket is encrypted.",
        ),
    ),
    (
        ("tar.gz", "extract"),
        ("The artefact is no valid tar.gz, or holds symbolic links: pack the files themselves.",),
    ),
    (
        ("no space left", "disk space"),
        ("The unpacked model does not fit the instance's volume: ask for a bigger one.",),
    ),
    (
        ("out of memory", "memoryerror", "oom"),
        ("The model needs more memory than the instance or the serverless memory size gives: choose a bigger one.",),
    ),
    (
        ("subnet", "security group", "vpc"),
        ("The VPC's subnets or security groups keep the container from S3 or ECR: check routes and VPC endpoints.",),
    ),
    (
        ("not authorized", "accessdenied", "access denied", "permission", "assume role", "assumerole"),
        ("The execution role lacks a permission, or does not trust sagemaker.amazonaws.com.",),
    ),
    (
        ("kms",),
        ("The execution role may not use the KMS key: kms:Decrypt and kms:CreateGrant.",),
    ),
    (
        ("internal error", "internal failure", "request to service failed"),
        ("AWS itself failed: delete the endpoint and create it again.",),
    ),
)


def explain_failure(reason: str) -> tuple[str, ...]:
    """The likely causes of a FailureReason in plain words, most likely first; () when there is no reason.

    A reason that is not known leads to the container's log, never to a guess.
    """
    text = reason.lower()
    found = [cause for fragments, causes in _CAUSES if any(f in text for f in fragments) for cause in causes]
    if text.strip() and not found:
        return ("This reason is not one that is known here: look into the endpoint's log in CloudWatch.",)
    return tuple(found)
