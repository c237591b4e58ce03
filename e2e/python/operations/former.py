"""Operations that the SDK had until 3.1.196, and that old scripts call."""

import re

import requests

from agent_flow import obey
from clients import ask_for_token
from operations.world import NOBODY
from operator_flow import act


def former_operations(world):
    token = ask_for_token(world.login)

    def ask(method, path, **options):
        return requests.request(
            method,
            f"{world.login.endpoint}{path}",
            headers={"X-Auth-Token": token},
            verify=world.login.ca_file,
            timeout=30,
            **options,
        )

    source_id = world.source("to-be-unlocked")
    task_id = world.task(source_id)
    act(world.client, task_id, "start")
    obey(world.client, source_id, "START", task_id)
    answered(ask("POST", f"/v3/tasks/{task_id}/unlock"), 400)
    act(world.client, task_id, "stop")
    obey(world.client, source_id, "STOP", task_id)
    answered(ask("POST", f"/v3/tasks/{task_id}/unlock"), 200)
    answered(ask("POST", f"/v3/tasks/{NOBODY}/unlock"), 404)

    told = answered(ask("GET", "/v3/sha256/agent"), 200)
    assert re.fullmatch("[0-9a-f]{64}", told["value"]), told

    network = f"/v3/tasks/{world.login.project_id}/networkacl"
    where = {"region_id": world.login.project_name, "os_type": "LINUX"}
    path = f"{network}/{world.target_id}/check"
    answered(ask("GET", path, params=where), 200)
    answered(ask("GET", f"{network}/{NOBODY}/check", params=where), 404)


def answered(answer, status):
    assert answer.status_code == status, (answer.request.url, answer.status_code, answer.text)
    body = answer.json()
    assert isinstance(body, dict), body
    if status >= 400:
        assert body["error_code"].split(".")[0] in ("SMS", "REHOST") and body["error_msg"], body
        assert answer.headers["X-Request-Id"], answer.headers
    return body


PARTS = [former_operations]
