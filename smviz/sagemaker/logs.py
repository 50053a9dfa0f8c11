"""Where a browser shows a container's log."""

from __future__ import annotations

from urllib.parse import quote

# Of other partitions (the isolated ones, the European Sovereign Cloud) the console's address is not told here.
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_NOBODY = "000000000000"  # the embedded endpoint's account, which has no console


def log_url(arn: str | None) -> str | None:
    """The CloudWatch console's page of a log group or log stream, from the ARN that ModelError carries.

    None where there is no ARN, it is not one of CloudWatch Logs, or its partition's console is not known.
    """
    parts = (arn or "").split(":", 6)
    if len(parts) < 7 or parts[2] != "logs" or parts[5] != "log-group" or parts[4] == _NOBODY:
        return None
    console, region = _CONSOLES.get(parts[1]), parts[3]
    group, _, stream = parts[6].removesuffix(":*").partition(":log-stream:")
    if console is None or not region or not group:
        return None
    page = f"https://{region}.{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{_twice(group)}"
    return f"{page}/log-events/{_twice(stream)}" if stream else page


def _twice(name: str) -> str:
    # The console's own router wants names quoted twice, with $ for the second %.
    return quote(quote(name, safe=""), safe="").replace("%", "$")
