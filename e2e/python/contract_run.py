"""Sends requests that are made from the OpenAPI document to a control plane, and holds each answer
against the document.

    contract_run.py --login first-login.json --target ID --requests 20000

Started by e2e/tests/contract.rs, in an environment that has schemathesis.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from schemathesis.cli import schemathesis

from contract import hooks
from contract.objects import Api, Objects, log_in

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]
# Those that end the run: the token of the run itself would be gone.
NOT_CALLED = ["revoke_token"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--login", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--requests", type=int, required=True, help="at least so many")
    parser.add_argument("--document", help="instead of the one that is served")
    parser.add_argument("--examples", type=int, default=180, help="for each operation")
    options = parser.parse_args()

    login = json.loads(Path(options.login).read_text(encoding="utf-8"))
    token = log_in(login)
    objects = Objects(Api(login, token), options.target, login["project_id"])
    counter = hooks.Counter()
    hooks.install(objects, token, counter)

    begin = time.monotonic()
    arguments = ["--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run"]
    arguments += [options.document or f"{login['endpoint']}/openapi.json"]
    arguments += ["--url", login["endpoint"], "--tls-verify", login["ca_file"], "--no-color"]
    arguments += ["--workers", "4", "--continue-on-failure"]
    arguments += ["--checks", ",".join(CHECKS), "--max-examples", str(options.examples)]
    for operation in NOT_CALLED:
        arguments += ["--exclude-operation-id", operation]
    try:
        schemathesis.main(args=arguments, prog_name="schemathesis", standalone_mode=False)
        failed = 0
    except SystemExit as end:
        failed = end.code
    print(f"{counter.summary()} in {time.monotonic() - begin:.0f} s")
    if counter.total < options.requests:
        sys.exit(f"that is fewer than {options.requests}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
