"""What happens to a request between being made from the document and being sent.

Only values that are there to be valid are touched: a request that is meant to be wrong stays wrong in
the way it was meant to be.
"""

import itertools
import threading
import zlib
from urllib.parse import quote

import jsonschema_rs
import schemathesis
from schemathesis.core import NotSet
from schemathesis.core.parameters import ParameterLocation

# Path parameters, and what they are ids of.
KINDS = {
    "source_id": "source",
    "server_id": "source",
    "task_id": "task",
    "mig_project_id": "project",
    "user_id": "user",
}
# `{id}` stands for templates only.
KIND_OF_ID = "template"
# The failure "schema-violating request accepted".
ACCEPTED = "ST201"
# Accepted beyond the document, with the reason.
TOLERATED = {
    # Terraform sends an empty object when the list of limits was emptied; no body counts as one.
    "update_speed": lambda body: isinstance(body, NotSet) or not body,
}
# One of so many requests asks for something that does not exist.
ABSENT_ONE_IN = 8
# Batch deletes, and of what.
BATCHES = {"delete_servers": "source", "delete_tasks": "task", "delete_templates": "template"}
# What makes things, and of which kind.
MAKERS = {
    "register_server": "source",
    "create_task": "task",
    "create_template": "template",
    "create_migproject": "project",
    "create_user": "user",
}
# Says that a call belongs to another project or account than the token does.
FOREIGN_HEADERS = ("X-Project-Id", "X-Domain-Id", "X-Auth-Token", "Authorization")


class Counter:
    """How many requests were answered, in all and by status."""

    def __init__(self):
        self._lock = threading.Lock()
        self._statuses = {}
        self._operations = {}

    def add(self, operation, status):
        with self._lock:
            self._statuses[status] = self._statuses.get(status, 0) + 1
            self._operations[operation] = self._operations.get(operation, 0) + 1

    @property
    def total(self):
        return sum(self._statuses.values())

    def summary(self):
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(self._statuses.items()))
        return f"{self.total} requests to {len(self._operations)} operations ({statuses})"


def install(objects, token, counter):
    """Registers the hooks for this process."""
    numbers = itertools.count()

    @schemathesis.hook
    def before_call(context, case, **kwargs):
        name_the_caller(case, token)
        if is_valid(case, ParameterLocation.PATH):
            name_existing(case, objects)
        if is_valid(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            name_existing_in_body(case, objects, next(numbers))
        # A long poll would hold the run, also in a query that is wrong in another way.
        if case.query and waits(case.query.get("wait_seconds")):
            case.query["wait_seconds"] = 0

    @schemathesis.hook
    def after_call(context, case, response):
        operation = case.operation.definition.raw.get("operationId")
        counter.add(operation, response.status_code)
        if response.status_code < 300:
            replace_deleted(case, objects, operation)
            if operation in MAKERS:
                objects.made(MAKERS[operation], response.json()["id"])

    @schemathesis.hook
    def filter_failure(context, failure, case, response):
        return not (failure.code == ACCEPTED and is_tolerated(case))


def waits(seconds):
    """Whether this value of wait_seconds would be waited for."""
    try:
        return 0 < int(seconds) < 2**63
    except (TypeError, ValueError):
        return False


def is_valid(case, location):
    """Whether a part of the request is meant to be accepted."""
    component = case.meta.components.get(location) if case.meta else None
    return component is None or component.mode.is_positive


def is_tolerated(case):
    """Null counts as absent: for other clients than those that leave out what is not set."""
    operation = case.operation.definition.raw.get("operationId")
    if operation in TOLERATED and TOLERATED[operation](case.body):
        return True
    if not isinstance(case.body, dict):
        return False
    without = without_nulls(case.body)
    return without != case.body and is_valid_body(case.operation, without)


def without_nulls(value):
    if isinstance(value, dict):
        members = value.items()
        return {name: without_nulls(member) for name, member in members if member is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def is_valid_body(operation, body):
    document = operation.schema.raw_schema
    media = next(iter(operation.definition.raw["requestBody"]["content"]))
    names = ["paths", operation.path, operation.method.lower(), "requestBody", "content", media]
    place = "/".join(quote(name.replace("/", "~1"), safe="~") for name in [*names, "schema"])
    rules = {**document, "$ref": f"#/{place}"}
    return jsonschema_rs.Draft202012Validator(rules).is_valid(body)


def name_the_caller(case, token):
    headers = case.headers
    if headers is not None:
        for name in FOREIGN_HEADERS:
            headers.pop(name, None)
    case.headers = {**(headers or {}), "X-Auth-Token": token}


def name_existing(case, objects):
    """Path parameters become ids of things that exist, mostly."""
    parameters = case.path_parameters or {}
    number = number_of(case)
    if number % ABSENT_ONE_IN == 0:
        return
    for name in parameters:
        kind = KINDS.get(name) or (KIND_OF_ID if name == "id" else None)
        if kind:
            parameters[name] = objects.pick(kind, number)
        elif name == "target_id":
            # The only target stays.
            parameters[name] = "00000000-0000-4000-8000-000000000000"


def name_existing_in_body(case, objects, number):
    operation = case.operation.definition.raw.get("operationId")
    if operation == "create_task" and isinstance(case.body.get("source_server"), dict):
        case.body["source_server"]["id"] = objects.source_without_task()
        if isinstance(case.body.get("target_server"), dict):
            case.body["target_server"]["vm_id"] = objects.target_id
    elif operation in BATCHES and number % ABSENT_ONE_IN:
        case.body["ids"] = [objects.pick(BATCHES[operation], number)]


def replace_deleted(case, objects, operation):
    if operation in BATCHES:
        objects.replace(BATCHES[operation], set(case.body.get("ids", [])))
    elif case.method == "DELETE":
        for name, value in (case.path_parameters or {}).items():
            kind = KINDS.get(name) or (KIND_OF_ID if name == "id" else None)
            if kind:
                objects.replace(kind, {value})


def number_of(case):
    """A number that depends on the request alone, so that it can be repeated."""
    text = repr((case.operation.label, case.path_parameters, case.query, case.body))
    return zlib.crc32(text.encode("utf-8", "replace"))
