"""The FastAPI baseline: the same tables behind the kind of server that the sidecar replaces.

FastAPI and uvicorn are not dependencies of the project: `uv run --with fastapi --with uvicorn python -m tests.bench`.
Run as `python -m tests.bench.fastapi_server DATABASE FD`, where FD is a listening socket that the driver opened.
"""

import importlib
import socket
import sys
from typing import Any

from pydantic import BaseModel

from tests.bench.plain_tables import PlainTables


class JobIn(BaseModel):
    """The body of POST /jobs."""

    type: str
    payload: dict[str, Any] = {}
    run_at: str | None = None


def application(tables: PlainTables) -> Any:
    """Returns an app with the measured endpoints, in FastAPI's fastest form: async handlers that declare a dict.

    Pydantic encodes a declared dict at once; models of the rows would have to be built and checked first.
    """
    fastapi: Any = importlib.import_module("fastapi")

    async def health() -> dict[str, Any]:
        return {"status": "ok", "version": "0", "checks": []}

    async def create(body: JobIn) -> dict[str, Any]:
        return tables.create(body.model_dump())

    async def get(job_id: str) -> dict[str, Any]:
        return tables.get({"job_id": job_id})

    async def page(limit: int = 50) -> dict[str, Any]:
        return tables.list({"limit": limit})

    async def feed(limit: int = 50) -> dict[str, Any]:
        return tables.feed({"limit": limit})

    app = fastapi.FastAPI()
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/jobs", create, methods=["POST"])
    app.add_api_route("/jobs", page, methods=["GET"])
    app.add_api_route("/jobs/{job_id}", get, methods=["GET"])
    app.add_api_route("/activity/events", feed, methods=["GET"])
    return app


def serve(database: str, descriptor: int) -> None:
    """Serves on the socket until SIGTERM."""
    uvicorn: Any = importlib.import_module("uvicorn")
    # By default uvicorn closes a connection after 5 s of silence, which occurs while other servers are measured.
    config = uvicorn.Config(
        application(PlainTables(database)), log_level="warning", access_log=False, timeout_keep_alive=3_600
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
