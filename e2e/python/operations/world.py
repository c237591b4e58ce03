"""What all operations need: clients, the target, and names of things that do not exist."""

import itertools
import uuid
from dataclasses import dataclass, field

from huaweicloudsdksms.v3 import (
    CreateTaskRequest,
    DeleteTaskRequest,
    ListTasksRequest,
    PostTask,
    SourceServerByTask,
    TargetDisks,
    TargetServerByTask,
)

from agent_flow import command, obey, register, show
from waiting import until

NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass
class World:
    """One control plane, as its clients see it."""

    # Calls as administrator, recorded and checked.
    client: object
    # Makes a client with another access key: `stranger(access_key, secret_key)`.
    with_access_key: object
    # A client that does not know the CA.
    without_ca: object
    login: object
    target_id: str
    _numbers: object = field(default_factory=itertools.count)
    _run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def name(self, kind):
        """A name that nothing else has, and that is no part of another."""
        return f"{kind}-{self._run}-{next(self._numbers):03}"

    def stranger(self):
        """A client whose access key nobody has issued."""
        return self.with_access_key(uuid.uuid4().hex[:20], "unknown" * 6)

    def source(self, kind):
        """Registers a source, and gives its id."""
        return register(self.client, self.name(kind))

    def task_body(self, source_id, **members):
        """What `create_task` needs for this source."""
        login = self.login
        disks = [
            TargetDisks(
                name=disk.name, size=disk.size, used_size=disk.used_size, physical_volumes=[]
            )
            for disk in show(self.client, source_id).disks
        ]
        target = TargetServerByTask(
            name="target", vm_id=self.target_id, disks=disks, volume_groups=[], btrfs_list=[]
        )
        body = {
            "name": self.name("task"),
            "type": "MIGRATE_BLOCK",
            "os_type": "LINUX",
            "region_id": login.project_name,
            "region_name": login.project_name,
            "project_id": login.project_id,
            "project_name": login.project_name,
            "source_server": SourceServerByTask(id=source_id),
            "target_server": target,
            "exist_server": True,
            "syncing": True,
        }
        return PostTask(**{**body, **members})

    def task(self, source_id, **members):
        """Creates a task for this source, and gives its id."""
        body = self.task_body(source_id, **members)
        return self.client.create_task(CreateTaskRequest(body=body)).id

    def remove_task(self, source_id, task_id):
        """Deletes a task, as its agent would have it."""
        self.client.delete_task(DeleteTaskRequest(task_id=task_id))

        def gone():
            if command(self.client, source_id).command_name == "DELETE":
                obey(self.client, source_id, "DELETE", task_id)
            return self.client.list_tasks(ListTasksRequest(id=task_id)).count == 0

        until(f"task {task_id} is gone", gone)
