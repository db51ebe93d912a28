"""The endpoints of a model that rows name: none of them gets a request before the model was seen there."""

from __future__ import annotations

import math

from pyflink_triton.delivery.endpoints import Endpoint, Endpoints
from pyflink_triton.errors import RowError, TritonError

#: A model that no endpoint has, or that is another than was declared, is asked for again after so many seconds.
_SECONDS = 2.0
#: The longest pause between two probes of an endpoint that lacks the model while another one may have it.
_MISSING_SECONDS = 20.0


class RouteEndpoints(Endpoints):
    """All endpoints of such a model; see ``Endpoints``. ``begin`` comes first."""

    _fails_until = math.inf

    def begin(self, trouble: str) -> None:
        """Probe all endpoints.

        Args:
            trouble: Why no request goes there until then, in one sentence.
        """
        for endpoint in self.all:
            endpoint.trouble, endpoint.is_missing = trouble, False
            endpoint.reachable, endpoint.is_in_doubt = False, True
            self._leave_alone(endpoint, 0.0)

    def miss(self, endpoint: Endpoint, error: RowError) -> None:
        """An endpoint has no such model. If none has, the rows fail that name it.

        Args:
            endpoint: The endpoint.
            error: What they fail with.
        """
        endpoint.is_missing = True
        self.unreachable(endpoint)
        if all(each.is_missing for each in self.all):
            self.refuse(error)

    def longest_pause(self, endpoint: Endpoint) -> float:
        """Longer where the model is elsewhere, because there may be hundreds of models that a server does not have."""
        return _MISSING_SECONDS if endpoint.is_missing else super().longest_pause(endpoint)

    def answered(self, endpoint: Endpoint) -> None:
        """The endpoint answered a request, so it has the model, also where no probe can see that."""
        endpoint.is_missing = False
        super().answered(endpoint)

    def refuse(self, error: TritonError) -> None:
        """Send no request anywhere for a while, or for good if this is no error of rows."""
        self.failure, self._only = error, None
        self._fails_until = self._clock() + _SECONDS if isinstance(error, RowError) else math.inf
        self.notify()

    def standing_failure(self) -> TritonError | None:
        """Why no request goes anywhere; after a while the endpoints are asked again for what may have changed."""
        failure = self.failure
        if failure is None:
            return None
        if self._clock() < self._fails_until:
            return failure.reworded(str(failure))  # each that is raised has a traceback of its own
        self.failure, self._only = None, self.all[0] if len(self.all) == 1 else None
        for endpoint in self.all:
            if (task := self._tasks.get(endpoint)) is not None:
                task.cancel()
        self.begin(str(failure))
        return None
