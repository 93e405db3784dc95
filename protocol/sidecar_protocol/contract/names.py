"""Converts names between the styles of Python, the wire and TypeScript."""

import re


def snake_case(name: str) -> str:
    """Converts `JobNotFound` to `job_not_found`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def pascal_case(name: str) -> str:
    """Converts `jobs.log.list` to `JobsLogList`, and `$/cancelRequest` to `CancelRequest`."""
    return "".join(part[0].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name) if part)
