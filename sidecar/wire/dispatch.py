"""Serves requests: finds the method, validates the params, calls the handler, and turns exceptions into errors."""

import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from sidecar_protocol.connection import Batch, Connection, Event, Notified, Refused, Request
from sidecar_protocol.contract import Method, Model, RpcError, methods_of
from sidecar_protocol.errors import Internal, InvalidParams, MethodNotFound, ResultTooLarge, ShuttingDown
from sidecar_protocol.meta import Meta

from sidecar.ids import MakeId
from sidecar.storage.database import Database
from sidecar.storage.failures import storage_error
from sidecar.wire.batches import BatchOrder, serving
from sidecar.wire.in_flight import HandlerOutcome, InFlightRequests

log = logging.getLogger(__name__)

MAX_RESULT_BYTES: Final = 8 * 1024 * 1024
"""A larger result is refused with `ResultTooLarge`: lists are paged, and a line is held in memory as a whole."""
MAX_DETAILS: Final = 20
"""Invalid params listed in one error."""

UNAFFECTED: Final = frozenset({"system.health"})
"""Methods whose results contain nothing that a failed commit takes back."""

HandlerCall = Coroutine[Any, Any, Model | None]
"""A handler with its arguments, not begun."""
Admit = Callable[["Route | None"], RpcError | None]
"""Returns the error with which a method is refused at the moment; None if it may be called.

Receives None for a method of a feature that is not imported yet.
"""
Load = Callable[[str], Callable[[], Awaitable[object]] | None]
"""Returns a function that waits until what serves a domain is imported; None if that is done."""
WaitsFor = Callable[[Mapping[str, Any]], bool]
"""Returns whether a method that may wait does so for these params, which are not validated yet."""


class Route:
    """A method and the handler that serves it."""

    def __init__(
        self, declared: Method, handler: Callable[..., HandlerCall], waits_for: WaitsFor | None = None
    ) -> None:
        self.declared = declared
        self.handler = handler
        self._waits_for = waits_for
        self._validate: Callable[[Any], Any] | None = None

    def waits(self, params: Mapping[str, Any]) -> bool:
        """Whether the handler may suspend."""
        return self.declared.waits and (self._waits_for is None or self._waits_for(params))

    def call(self, params: dict[str, Any]) -> HandlerCall:
        if self._validate is None:  # the model is built at the first call, not at the start
            self.declared.params.model_rebuild()
            self._validate = self.declared.params.__pydantic_validator__.validate_python
        values = self._validate(params).__dict__
        if (spec := self.declared.spec) is None:
            return self.handler(**values)
        fields = {name: values.pop(name) for name in spec.model_fields}
        return self.handler(spec.model_construct(**fields), **values)


class Routes:
    """The table of methods.

    `deferred` maps a domain, the first part of a method's name, to a function that makes its services; it is called
    with the first request for one of them.  `waits_for` has the methods that wait for some params only.
    """

    def __init__(
        self,
        services: Iterable[object],
        deferred: Mapping[str, Callable[[], Iterable[object]]],
        waits_for: Mapping[str, WaitsFor] = {},
    ) -> None:
        self._deferred = dict(deferred)
        self._waits_for = waits_for
        self._table = dict(self._routes(services))

    def known(self, name: str) -> Route | None:
        """Returns the route of a method; None also if the services of its domain are not made yet."""
        return self._table.get(name)

    def find(self, name: str) -> Route | None:
        route = self._table.get(name)
        if route is None and (domain := domain_of(name)) in self._deferred:
            self._table.update(self._routes(self._deferred[domain]()))
            del self._deferred[domain]  # only now: a failed attempt is repeated with the next request
            route = self._table.get(name)
        return route

    def _routes(self, services: Iterable[object]) -> Iterator[tuple[str, Route]]:
        for service in services:
            for interface in type(service).__mro__:
                for declared in methods_of(interface):
                    handler = getattr(service, declared.attribute)
                    yield declared.name, Route(declared, handler, self._waits_for.get(declared.name))


class Responses:
    """Holds responses back until the writes of their requests are committed, then frames and sends them."""

    def __init__(
        self,
        connection: Connection,
        queue_response: Callable[[bytes], None],
        database: Database,
        request_commit: Callable[[], None],
        new_id: MakeId,
    ) -> None:
        self.batches = BatchOrder()
        self._connection = connection
        self._queue_response = queue_response
        self._database = database
        self._request_commit = request_commit
        self._new_id = new_id
        self._outcomes: deque[tuple[Request, HandlerOutcome, bool]] = deque()

    def add(self, request: Request, outcome: HandlerOutcome) -> None:
        """Answers a request with a result, with None if its method has no result, or with an exception."""
        can_be_undone = self._database.in_transaction and request.method not in UNAFFECTED
        self._outcomes.append((request, outcome, can_be_undone))
        self._request_commit()
        if request.batch is not None:
            self.batches.on_answered(request.batch, request.id)

    def add_line(self, line: bytes) -> None:
        self._queue_response(line)
        self._request_commit()

    def on_commit(self, failure: sqlite3.Error | None) -> None:
        """Sends the responses; where the commit failed, requests that wrote, or saw what it takes back, get it."""
        outcomes, self._outcomes = self._outcomes, deque()
        while outcomes:  # not a loop over a list, which would keep every result until the last is framed
            request, outcome, can_be_undone = outcomes.popleft()
            response = failure if failure is not None and can_be_undone else outcome
            self._queue_response(self._frame(request, response))

    def _frame(self, request: Request, outcome: HandlerOutcome) -> bytes:
        if not isinstance(outcome, BaseException):
            try:
                result = b"null" if outcome is None else outcome.json_bytes()
                if len(result) > MAX_RESULT_BYTES:
                    outcome = ResultTooLarge()
                elif len(result) > self._connection.room(request):
                    outcome = ResultTooLarge(hint="Send the request by itself: the results of its batch are too large.")
                else:
                    return self._connection.reply(request, result)
            except ValueError as error:  # pydantic could not encode what our own handler returned
                outcome = error
        return self._connection.reply_error(request, self._rpc_error(request, outcome).json_bytes())

    def _rpc_error(self, request: Request, error: BaseException) -> RpcError:
        """Returns the error for the client; of an unexpected one it gets an id, under which the log has the rest."""
        if isinstance(error, RpcError):
            return error
        if isinstance(error, sqlite3.Error):
            log.error("the database failed", exc_info=error, extra={"request_id": request.id})
            return storage_error(error)
        error_id = self._new_id()
        log.error("a handler failed", exc_info=error, extra={"request_id": request.id, "error_id": error_id})
        return Internal(error_id=error_id)


class Dispatcher:
    """Serves one connection."""

    def __init__(
        self,
        routes: Routes,
        admit: Admit,
        responses: Responses,
        in_flight: InFlightRequests,
        loading: Load = lambda _: None,
    ) -> None:
        self._routes = routes
        self._loading = loading
        self._admit = admit
        self._responses = responses
        self._in_flight = in_flight
        self.requests = 0
        """Requests received so far."""

    def handle(self, event: Event) -> None:
        if type(event) is Request:
            self.requests += 1
            batch = event.batch
            if batch is not None:
                self._responses.batches.begin(batch, self._is_slow)
                token = serving.set(batch)
            try:
                self._serve(event)
            except Exception as error:  # noqa: BLE001 - the boundary: every request is answered
                self._responses.add(event, error)
            if batch is not None:
                serving.reset(token)
        elif type(event) is Notified:
            self._serve_notification(event)
        elif type(event) is Refused:
            log.warning("a line was refused: %s", event.reason)
            if event.reply:
                self._responses.add_line(event.reply)
        else:
            log.warning("the client answered a request that was never sent")

    def _is_slow(self, request: Request) -> bool:
        """Whether other requests of the same batch are served after it.  `shutdown` must not be first."""
        if self._routes.known(request.method) is None and self._loading(domain_of(request.method)) is not None:
            return True
        with contextlib.suppress(Exception):  # a feature that cannot be made; the request itself is answered with that
            route = self._routes.find(request.method)
            return route is not None and route.waits(request.params) and route.declared.name != "shutdown"
        return False

    def _serve(self, request: Request) -> None:
        route, wait = self._routes.known(request.method), None
        if route is None:
            wait = self._loading(domain_of(request.method))
            if wait is None and (route := self._routes.find(request.method)) is None:
                raise MethodNotFound
        refusal = self._admit(route)
        if refusal is not None and (wait is None or isinstance(refusal, ShuttingDown)):
            raise refusal
        params = request.params
        try:
            meta = Meta.model_validate(params.pop("_meta")) if "_meta" in params else None
            handler = None if route is None else route.call(params)
        except ValidationError as error:
            raise invalid_params(error) from None
        if wait is not None:
            self._in_flight.hold(request, self._serve_later(request, wait, refusal), meta)
        elif route is not None and handler is not None:
            self._begin(request, route, handler, meta)

    def _begin(self, request: Request, route: Route, handler: HandlerCall, meta: Meta | None) -> None:
        if route.waits(request.params):
            self._in_flight.start(request, handler, meta)
        elif request.batch is None or not self._defer(request.batch, request, handler, route):
            self._responses.add(request, _step(handler, route))

    async def _serve_later(
        self, request: Request, wait: Callable[[], Awaitable[object]], refusal: RpcError | None
    ) -> Model | None:
        """Serves a request whose feature is being imported; others are served meanwhile.

        `refusal` was the answer when the request came, unless its method may be called before the handshake.
        """
        await wait()
        route = self._routes.find(request.method)
        if route is None:
            raise MethodNotFound
        if refusal is not None and not route.declared.before_initialize:
            raise refusal
        if waits := route.waits(request.params):
            self._in_flight.admit(request)
        try:
            handler = route.call(request.params)
        except ValidationError as error:
            raise invalid_params(error) from None
        return await handler if waits else _step(handler, route)

    def _defer(self, batch: Batch, request: Request, handler: HandlerCall, route: Route) -> bool:
        """Serves a request after the slow ones of its batch, if there are any; returns whether it does."""

        def serve() -> None:
            try:
                self._responses.add(request, _step(handler, route))
            except Exception as error:  # noqa: BLE001 - as in `handle`
                self._responses.add(request, error)

        return not route.declared.before_initialize and self._responses.batches.defer(batch, request.id, serve)

    def _serve_notification(self, event: Notified) -> None:
        try:
            route = self._routes.find(event.method)
            if route is None or route.waits(event.params) or self._admit(route) is not None:
                log.warning("the client's notification was ignored: unknown, or not allowed now")
                return
            event.params.pop("_meta", None)
            _step(route.call(event.params), route)
        except Exception as error:  # noqa: BLE001 - a notification has no response
            log.warning("the client's notification %s failed: %s", event.method, type(error).__name__)


def domain_of(method: str) -> str:
    return method.partition(".")[0]


def _step(handler: HandlerCall, route: Route) -> Model | None:
    try:
        handler.send(None)
    except StopIteration as end:
        result: Model | None = end.value
        return result
    handler.close()
    raise RuntimeError(f"{route.declared.name} suspended, but is not declared with waits=True")


def invalid_params(error: ValidationError, prefix: str = "") -> InvalidParams:
    """Returns an error that lists the invalid params by path, never their values."""
    details = [
        {"path": ".".join([*filter(None, [prefix]), *map(str, item["loc"])]), "message": item["msg"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_DETAILS]
    ]
    return InvalidParams(details=details)
