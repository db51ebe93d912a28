"""The command `pyflink-triton`: serves a model repository, and finds the jar."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from pyflink_triton.remedies import Remedy
from pyflink_triton.server import TritonServer, TritonServerError
from pyflink_triton.server.examples import EXAMPLES, Served, serve_example
from pyflink_triton.server.ready import ready_models
from pyflink_triton.version import __version__

_INTERRUPTED = 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments after the program's name; those of this process by default.

    Returns:
        The exit code: 0 for success, 1 for a failure that was explained on stderr, 130 for an
        interruption before the server was ready. Wrong arguments exit with 2.
    """
    command_arguments, server_arguments = _split(list(sys.argv[1:] if argv is None else argv))
    parser = _parser()
    options = parser.parse_args(command_arguments)
    if options.command == "serve":
        return _serve(options, server_arguments)
    if server_arguments:
        parser.error("only the command serve takes arguments after --")
    return _print_jar()


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Separate this command's arguments from those after `--`, which are for tritonserver."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pyflink-triton", description="Triton models in Apache Flink.")
    parser.add_argument("--version", action="version", version=f"pyflink-triton {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("jar", help="print the path of the jar that Flink needs on its class path")
    serve = commands.add_parser(
        "serve",
        help="serve a model repository with a real Triton, without Docker, until Ctrl-C",
        usage="pyflink-triton serve MODEL_REPOSITORY | --example NAME [options] [-- tritonserver's own arguments]",
    )
    which = serve.add_mutually_exclusive_group(required=True)
    which.add_argument("model_repository", nargs="?", metavar="MODEL_REPOSITORY", help="the directory of models")
    which.add_argument(
        "--example",
        choices=EXAMPLES,
        metavar="NAME",
        help="a model to try: " + "; ".join(f"{example.name} ({example.what})" for example in EXAMPLES.values()),
    )
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--http-port", type=_port, default=8000, help="default: %(default)s; 0: any free port")
    serve.add_argument("--grpc-port", type=_port, default=8001, help="default: %(default)s; 0: any free port")
    serve.add_argument("--metrics-port", type=_port, default=8002, help="default: %(default)s; 0: any free port")
    serve.add_argument(
        "--requirement",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="a package that the models import, as pip takes it; may be repeated",
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is not a port: {Remedy.CHOOSE_PORT()}")
    return port


def _serve(options: argparse.Namespace, server_arguments: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    ready = False
    try:
        served = _served(options)
        with TritonServer(
            served.repository,
            host=options.host,
            http_port=options.http_port or None,
            grpc_port=options.grpc_port or None,
            metrics_port=options.metrics_port or None,
            arguments=[*served.arguments, *server_arguments],
            requirements=[*served.requirements, *options.requirement],
        ) as server:
            ready = True
            print(f"HTTP    {server.http_url}", flush=True)
            print(f"gRPC    {server.grpc_url}", flush=True)
            print(f"metrics {server.metrics_url}", flush=True)
            print(f"log     {server.log_path}", flush=True)
            print(_ready(ready_models(server.http_url)), flush=True)
            server.wait()
            print(f"pyflink-triton: {server.failure()}", file=sys.stderr)
            return 1
    except TritonServerError as error:
        print(f"pyflink-triton: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if ready else _INTERRUPTED


def _served(options: argparse.Namespace) -> Served:
    """What the command line names."""
    if options.example is None:
        return Served(options.model_repository)
    return serve_example(EXAMPLES[options.example])


def _ready(models: Sequence[str]) -> str:
    """The line for a server that is ready."""
    serves = f", serving {', '.join(models)}" if models else ""
    return f"ready{serves}. Ctrl-C ends it"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print_jar() -> int:
    from pyflink_triton.jar import jar_path

    try:
        print(jar_path())
    except FileNotFoundError as error:
        print(f"pyflink-triton: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
