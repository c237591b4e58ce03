"""Calls every operation of the public SDK, so that each is answered and refused at least once.

    every_operation.py --login first-login.json --target ID

What the SDK's client can do is asked of the SDK itself, and every answer is held against the types
that the SDK declares. Started by e2e/tests/python_sdk.rs.
"""

import argparse
import dataclasses
import os
import traceback
import warnings

from clients import Login, with_keys
from operations import former, projects, running_tasks, service, sources, tasks, templates
from operations.recording import Record
from operations.strict import make_strict
from operations.world import World


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--login", required=True)
    parser.add_argument("--target", required=True)
    options = parser.parse_args()
    # The SDK warns where it cannot read an answer as declared.
    warnings.simplefilter("error")

    login = Login.read(options.login)
    record = Record()

    def with_access_key(access_key, secret_key):
        other = dataclasses.replace(login, access_key=access_key, secret_key=secret_key)
        return record.watch(make_strict(with_keys(other)))

    world = World(
        client=with_access_key(login.access_key, login.secret_key),
        with_access_key=with_access_key,
        without_ca=record.watch(with_keys(dataclasses.replace(login, ca_file=None))),
        login=login,
        target_id=options.target,
    )
    failures = []
    for subject in (service, sources, tasks, running_tasks, templates, projects, former):
        for part in subject.PARTS:
            try:
                part(world)
            except Exception as failure:  # One failure hides no other.
                failures.append(describe(f"{subject.__name__}.{part.__name__}", failure))
    failures += record.missing()
    assert not failures, "\n".join([*failures, record.summary()])
    print(record.summary())


def describe(name, failure):
    """What failed, and where in these scripts."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = [
        f"{os.path.basename(frame.filename)}:{frame.lineno}"
        for frame in traceback.extract_tb(failure.__traceback__)
        if frame.filename.startswith(here)
    ]
    return f"{name} ({' > '.join(places[1:])}): {type(failure).__name__}: {failure}"


if __name__ == "__main__":
    main()
