"""Plays the APIs of vendors on this machine: `python -m integration_app.local.vendor_apis --port 8300`.

Each provider's folder has its own stand-in; here is the server around them, `/<provider>/…`. On loopback alone.
"""

from __future__ import annotations

import json

import click
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from integration_app.providers import registry
from integration_app.providers.base import ApiAnswer, ApiRequest


@Request.application
def application(request: Request) -> Response:
    name, _, path = request.path.lstrip("/").partition("/")
    spec = registry.specs().get(name)
    if spec is None or spec.stand_in is None:
        return Response("no such vendor here\n", 404)
    made = spec.stand_in(
        ApiRequest(
            method=request.method,
            path=path,
            query=request.args,
            headers={key.lower(): value for key, value in request.headers.items()},
            body=request.get_data(),
            base_url=f"{request.host_url}{name}",
        )
    )
    return Response(_body(made), made.status, content_type=made.content_type)


def _body(answer: ApiAnswer) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()


class _Quiet(WSGIRequestHandler):
    """Paths hold tokens, as those of one vendor do: they are not written down."""

    def log_request(self, *_: object) -> None:
        return


def server(port: int = 0) -> BaseWSGIServer:
    """Not yet serving."""
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=_Quiet)


@click.command()
@click.option("--port", type=int, required=True)
def main(port: int) -> None:
    """Play the vendors' APIs until this is stopped."""
    server(port).serve_forever()


if __name__ == "__main__":
    main()
