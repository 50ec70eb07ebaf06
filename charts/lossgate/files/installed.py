"""What `helm test` asks: is an operator ready, and does the API server serve ModelRollouts?

Run as `installed.py OPERATOR_URL API_SERVER_URL CREDENTIALS_FOLDER`.
"""

import json
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

SECONDS = 60.0
"""So long a name or an endpoint may take to become known after an installation."""


def ask(url: str, context: ssl.SSLContext | None = None, **headers: str) -> str:
    """Return the body of an answer with a status below 400."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5, context=context) as answer:
        body: bytes = answer.read()
    return body.decode()


def operator_is_ready(operator: str) -> None:
    """Raise an OSError unless an operator answers that it is ready."""
    ask(f"{operator}/readyz")


def modelrollouts_are_served(api_server: str, folder: Path) -> None:
    """Raise an OSError unless the API server serves ModelRollouts."""
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    # Certificates of many clusters lack extensions that Python 3.13 asks for, and are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    token = (folder / "token").read_text().strip()
    answer = ask(f"{api_server}/apis/lossgate.io/v1alpha1", context, Authorization=f"Bearer {token}")
    if "ModelRollout" not in [resource["kind"] for resource in json.loads(answer)["resources"]]:
        raise OSError("the API server knows lossgate.io/v1alpha1, but no ModelRollout in it")


def holds(what: str, question: Callable[[], None], until: float) -> bool:
    """Return whether it is so before time is up, and say so."""
    while True:
        try:
            question()
        except OSError as error:
            if time.monotonic() > until:
                print(f"FAILED: {what}: {error}")
                return False
            time.sleep(1)
        else:
            print(f"ok: {what}")
            return True


def main(operator: str, api_server: str, folder: str) -> int:
    """Return the exit status."""
    until = time.monotonic() + SECONDS
    served = holds(
        "the API server serves ModelRollouts", partial(modelrollouts_are_served, api_server, Path(folder)), until
    )
    ready = holds("an operator is ready", partial(operator_is_ready, operator), until)
    return 0 if served and ready else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
