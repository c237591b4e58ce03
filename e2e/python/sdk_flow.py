"""Drives Rehost with the public SDK of SMS. Started by e2e/tests/python_sdk.rs.

    sdk_flow.py --login first-login.json --auth keys|token --target ID operator NAME
    sdk_flow.py --login first-login.json --auth keys|token --target ID agent
"""

import argparse

import agent_flow
import operator_flow
from clients import Login, with_keys, with_token


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--login", required=True)
    parser.add_argument("--auth", choices=["keys", "token"], required=True)
    parser.add_argument("--target", required=True)
    roles = parser.add_subparsers(dest="role", required=True)
    roles.add_parser("operator").add_argument("source")
    roles.add_parser("agent")
    options = parser.parse_args()

    login = Login.read(options.login)
    client = (with_keys if options.auth == "keys" else with_token)(login)
    if options.role == "operator":
        operator_flow.run(client, login, options.source, options.target)
    else:
        agent_flow.run(client, login, options.target)


if __name__ == "__main__":
    main()
