"""Objects that the requests are about: made before, and made again when a request has deleted them.

Without them nearly every request would be answered by "there is no such object", and nothing behind
that answer would be tried.
"""

import itertools
import threading

import requests

GIB = 1024**3
# Of templates and projects there may be 50: the rest is for those that requests make.
KEPT = 20
MADE_BY_REQUESTS = 20
# Where things of a kind are deleted.
PATHS = {
    "source": "/v3/sources",
    "task": "/v3/tasks",
    "template": "/v3/vm/templates",
    "project": "/v3/migprojects",
    "user": "/rehost/v1/users",
}


class Api:
    """Calls of the administrator."""

    def __init__(self, login, token):
        self._base = login["endpoint"]
        self._session = requests.Session()
        # Not an attribute of the session: the environment would take precedence over that.
        self._ca_file = login["ca_file"]
        self._session.headers["X-Auth-Token"] = token

    def ask(self, method, path, body=None):
        """Whatever comes of it."""
        return self._session.request(
            method, f"{self._base}{path}", json=body, timeout=60, verify=self._ca_file
        )

    def call(self, method, path, body=None):
        """What must succeed."""
        answer = self.ask(method, path, body)
        assert answer.status_code < 400, (method, path, answer.status_code, answer.text)
        return answer.json()


def log_in(login):
    """A token of the project."""
    user = {
        "name": login["user_name"],
        "password": login["password"],
        "domain": {"name": login["domain_name"]},
    }
    answer = requests.post(
        f"{login['iam_endpoint']}/v3/auth/tokens",
        json={
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": login["project_name"]}},
            }
        },
        verify=login["ca_file"],
        timeout=30,
    )
    assert answer.status_code == 201, (answer.status_code, answer.text)
    return answer.headers["X-Subject-Token"]


class Objects:
    """Ids of what exists, by the name that path parameters give it."""

    def __init__(self, api, target_id, project_id):
        self._api = api
        self._target_id = target_id
        self._project_id = project_id
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._ids = {}
        self._made = {kind: [] for kind in PATHS}
        self._source_of_task = {}
        self._spare_source = None
        makers = {
            "source": self._make_source,
            "template": self._make_template,
            "project": self._make_project,
            "user": self._make_user,
        }
        self._makers = makers
        for kind in PATHS:
            self._ids[kind] = [self._make(kind) for _ in range(KEPT)]

    def pick(self, kind, case_number):
        """An id that exists. The same number gives the same id as long as nothing is deleted."""
        with self._lock:
            ids = self._ids[kind]
            return ids[case_number % len(ids)]

    def replace(self, kind, gone):
        """Something was deleted: another one takes its place."""
        with self._lock:
            ids = self._ids[kind]
            for number, known in enumerate(ids):
                if known in gone:
                    ids[number] = self._make(kind, known)

    def made(self, kind, new):
        """A request has made something: what the oldest ones made goes, for there are limits."""
        with self._lock:
            made = self._made[kind]
            made.append(new)
            if kind == "task":
                self._spare_source = None
            if len(made) > MADE_BY_REQUESTS:
                self._api.ask("DELETE", f"{PATHS[kind]}/{made.pop(0)}")

    def source_without_task(self):
        """For a request that makes a task; the same one until a request has succeeded."""
        with self._lock:
            self._spare_source = self._spare_source or self._make("source")
            return self._spare_source

    @property
    def target_id(self):
        return self._target_id

    def _make(self, kind, instead_of=None):
        name = f"{kind}-{next(self._numbers)}"
        if kind != "task":
            return self._makers[kind](name)
        # Sources are limited: a new task is one of the same source.
        source_id = self._source_of_task.pop(instead_of, None) or self._make("source")
        task_id = self._make_task(name, source_id)
        self._source_of_task[task_id] = source_id
        return task_id

    def _make_source(self, name):
        disk = {
            "name": "/dev/vda", "size": GIB, "used_size": GIB, "device_use": "BOOT",
            "partition_style": "MBR", "os_disk": True, "physical_volumes": [],
        }
        network = {
            "name": "eth0", "ip": "192.0.2.40", "netmask": "255.255.255.0",
            "gateway": "192.0.2.1", "mtu": 1500, "mac": "fa:16:3e:00:00:03",
        }
        body = {
            "ip": "192.0.2.40", "name": name, "hostname": name, "os_type": "LINUX",
            "os_version": "DEBIAN_12_64BIT", "firmware": "BIOS", "cpu_quantity": 2,
            "memory": 4 * GIB, "disks": [disk], "networks": [network], "btrfs_list": [],
            "volume_groups": [], "has_rsync": True, "has_tc": True, "boot_loader": "GRUB",
            "paravirtualization": False, "raw_devices": "", "agent_version": "25.2.0",
        }
        return self._api.call("POST", "/v3/sources", body)["id"]

    def _make_task(self, name, source_id):
        disk = {"name": "/dev/vda", "size": GIB, "used_size": GIB, "physical_volumes": []}
        body = {
            "name": name, "type": "MIGRATE_BLOCK", "os_type": "LINUX", "region_id": "rehost",
            "region_name": "rehost", "project_id": self._project_id, "project_name": "rehost",
            "source_server": {"id": source_id}, "exist_server": True, "syncing": True,
            "target_server": {"name": "target", "vm_id": self._target_id, "disks": [disk]},
        }
        # An agent that asks for its commands is connected; tasks are for such.
        self._api.call("GET", f"/v3/sources/{source_id}/command")
        return self._api.call("POST", "/v3/tasks", body)["id"]

    def _make_template(self, name):
        body = {"name": name, "is_template": True, "region": "rehost", "projectid": "p"}
        return self._api.call("POST", "/v3/vm/templates", {"template": body})["id"]

    def _make_project(self, name):
        body = {"name": name, "region": "rehost", "type": "MIGRATE_BLOCK"}
        return self._api.call("POST", "/v3/migprojects", body)["id"]

    def _make_user(self, name):
        body = {"name": name, "password": "Only-for-this-test-1", "role": "read-only"}
        return self._api.call("POST", "/rehost/v1/users", body)["id"]
