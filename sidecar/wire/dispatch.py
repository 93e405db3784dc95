"""From a request to its answer: find the method, validate, call, reply.  The only place where errors become answers.

A handler that does not wait is stepped to its end in place: no task, no thread.  Answers are held back until the
turn's writes are committed.
"""

import logging
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from pydantic import ValidationError
from sidecar_protocol.connection import Connection, Event, Notified, Refused, Request
from sidecar_protocol.contract import Method, Model, RpcError, methods_of
from sidecar_protocol.errors import Internal, InvalidParams, MethodNotFound, ResultTooLarge
from sidecar_protocol.meta import Meta

from sidecar.ids import MakeId
from sidecar.storage.database import Database, storage_error
from sidecar.wire.in_flight import HandlerOutcome, InFlightRequests

log = logging.getLogger(__name__)

MAX_RESULT_BYTES: Final = 8 * 1024 * 1024
MAX_DETAILS: Final = 20

Admit = Callable[["Route"], RpcError | None]


class Send(Protocol):
    """Where framed answers go."""

    def queue_response(self, line: bytes) -> None: ...


class Route:
    """A method and the handler that serves it."""

    __slots__ = ("_validate", "declared", "handler", "waits")

    def __init__(self, declared: Method, handler: Callable[..., Coroutine[Any, Any, Model | None]]) -> None:
        self.declared = declared
        self.handler = handler
        self.waits = declared.waits
        self._validate: Callable[[Any], Any] | None = None

    def call(self, params: dict[str, Any]) -> Coroutine[Any, Any, Model | None]:
        """The handler, called with the validated params."""
        if self._validate is None:  # the model is built at the first call, not at start
            self.declared.params.model_rebuild()
            self._validate = self.declared.params.__pydantic_validator__.validate_python
        return self.handler(**self._validate(params).__dict__)


class Routes:
    """Who serves which method: the services at hand, and those of other domains once one of their methods is called.

    `later` makes a domain's services, by the first part of its methods' names: what nobody has asked for yet is not
    even imported.
    """

    def __init__(self, services: Iterable[object], later: Mapping[str, Callable[[], Iterable[object]]]) -> None:
        self._later = dict(later)
        self._table = dict(_routes(services))
        self.known = self._table.get
        """The route of a method that is at hand, or None."""

    def find(self, name: str) -> Route | None:
        """The route of a method that is not at hand yet; None: there is no such method."""
        domain = name.partition(".")[0]
        if (make := self._later.get(domain)) is not None:
            self._table.update(_routes(make()))
            del self._later[domain]
        return self._table.get(name)


def _routes(services: Iterable[object]) -> Iterator[tuple[str, Route]]:
    """A route for each method of the interfaces that these services implement."""
    for service in services:
        for interface in type(service).__mro__:
            for declared in methods_of(interface):
                yield declared.name, Route(declared, getattr(service, declared.attribute))


class Dispatcher:
    """Serves one connection."""

    def __init__(
        self,
        connection: Connection,
        send: Send,
        database: Database,
        *,
        request_commit: Callable[[], None],
        new_id: MakeId,
    ) -> None:
        self._connection = connection
        self._send = send
        self._database = database
        self._request_commit = request_commit
        self._new_id = new_id
        self._routes = Routes((), {})
        self._known = self._routes.known
        self._admit: Admit | None = None
        self._outcomes: list[tuple[Request, HandlerOutcome, bool]] = []
        self.requests = 0
        self.waiting: InFlightRequests | None = None

    def connect(self, table: Routes, admit: Admit, waiting: InFlightRequests) -> None:
        """Name what serves the methods, and who says whether a method may be called now."""
        self._routes, self._known = table, table.known
        self._admit = admit
        self.waiting = waiting

    def admit_by(self, admit: Admit | None) -> None:
        """Change who says whether a method may be called; None: all may."""
        self._admit = admit

    def handle(self, event: Event) -> None:
        """Serve one thing that the peer said."""
        if type(event) is Request:
            self.requests += 1
            try:
                self._serve(event)
            except Exception as error:  # noqa: BLE001 - the boundary: whatever it was, the request is answered
                self.answer(event, error)
        elif type(event) is Notified:
            self._take(event)
        elif type(event) is Refused:
            log.warning("a line was refused: %s", event.reason)
            if event.reply:
                self._send.queue_response(event.reply)
                self._request_commit()
        else:
            log.warning("the client answered a request that was never sent")

    def answer(self, request: Request, outcome: HandlerOutcome) -> None:
        """Answer once the turn is committed: with a result, with None where the method has none, or with an error."""
        self._outcomes.append((request, outcome, self._database.in_transaction))
        self._request_commit()

    def _serve(self, request: Request) -> None:
        route = self._known(request.method) or self._routes.find(request.method)
        if route is None:
            raise MethodNotFound
        if self._admit is not None and (refusal := self._admit(route)) is not None:
            raise refusal
        params = request.params
        try:
            meta = Meta.model_validate(params.pop("_meta")) if "_meta" in params else None
            handler = route.call(params)
        except ValidationError as error:
            raise invalid_params(error) from None
        if route.waits and self.waiting is not None:
            self.waiting.start(request, handler, meta)
            return
        self.answer(request, _step(handler, route))

    def _take(self, event: Notified) -> None:
        """Serve a notification; nobody is told how that went, but the log."""
        try:
            route = self._known(event.method) or self._routes.find(event.method)
            if route is None or route.waits or (self._admit is not None and self._admit(route) is not None):
                log.warning("the client's notification was ignored: not known, or not now")
                return
            event.params.pop("_meta", None)
            _step(route.call(event.params), route)
        except Exception as error:  # noqa: BLE001 - there is nobody to answer
            log.warning("the client's notification %s failed: %s", event.method, type(error).__name__)

    def on_commit(self, failure: sqlite3.Error | None) -> None:
        """The turn is committed, or undone: send what was answered in it."""
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            for request, outcome, depends in outcomes:
                self._send.queue_response(self._frame(request, failure if failure is not None and depends else outcome))

    def _frame(self, request: Request, outcome: HandlerOutcome) -> bytes:
        if not isinstance(outcome, BaseException):
            try:
                result = b"null" if outcome is None else outcome.json_bytes()
                if len(result) <= MAX_RESULT_BYTES:
                    return self._connection.reply(request, result)
                outcome = ResultTooLarge()
            except ValueError as error:  # pydantic could not encode what our own handler returned
                outcome = error
        return self._connection.reply_error(request, self._rpc_error(request, outcome).json_bytes())

    def _rpc_error(self, request: Request, error: BaseException) -> RpcError:
        """The error as the client sees it; what is not meant for it goes into the log under an id."""
        if isinstance(error, RpcError):
            return error
        if isinstance(error, sqlite3.Error):
            log.error("the database failed", exc_info=error, extra={"request_id": request.id})
            return storage_error(error)
        error_id = self._new_id()
        log.error("a handler failed", exc_info=error, extra={"request_id": request.id, "error_id": error_id})
        return Internal(error_id=error_id)


def _step(handler: Coroutine[Any, Any, Model | None], route: Route) -> Model | None:
    """Run a handler that does not wait to its end."""
    try:
        handler.send(None)
    except StopIteration as end:
        result: Model | None = end.value
        return result
    handler.close()
    raise RuntimeError(f"{route.declared.name} suspended, but is not declared with waits=True")


def invalid_params(error: ValidationError, prefix: str = "") -> InvalidParams:
    """What is wrong with the params, by path; never with the value itself."""
    details = [
        {"path": ".".join([*filter(None, [prefix]), *map(str, item["loc"])]), "message": item["msg"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_DETAILS]
    ]
    return InvalidParams(details=details)
