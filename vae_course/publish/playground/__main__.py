"""`course.py playground`: build the playground in build/playground and serve it on 127.0.0.1."""

import argparse
import sys
import webbrowser

from vae_course import ROOT
from vae_course.publish.playground.build import ADDRESS, build, server
from vae_lib import load_images


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py playground", description=__doc__)
    parser.add_argument("--port", type=int, default=8800, help="the port; 0: any that is free")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.add_argument("--build-only", action="store_true", help="build it, and serve nothing")
    options = parser.parse_args(arguments)
    folder = build(ROOT / "build" / "playground", load_images("auto"))
    if options.build_only:
        print(f"The playground lies in {folder}")
        return 0
    try:
        serving = server(folder, options.port)
    except OSError as error:
        print(
            f"course.py playground: port {options.port} cannot be used ({error.strerror}). "
            "Choose another one with --port.",
            file=sys.stderr,
        )
        return 1
    address = f"http://{ADDRESS}:{serving.server_port}/"
    print(f"The playground: {address} (stop it with Ctrl-C)", flush=True)
    if not options.no_browser:
        webbrowser.open(address)
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        serving.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
