"""The public SDK as the operator of a migration between a real agent and a real receiver."""

from huaweicloudsdksms.v3 import (
    CreateTaskRequest,
    DeleteTaskRequest,
    ListServersRequest,
    ListTasksRequest,
    PostTask,
    ShowConsistencyResultRequest,
    ShowOverviewRequest,
    ShowServerRequest,
    ShowTaskRequest,
    SourceServerByTask,
    TargetDisks,
    TargetServerByTask,
    UpdateTaskStatusReq,
    UpdateTaskStatusRequest,
)

from waiting import until


def run(client, login, source_name, target_id):
    source_id = find_source(client, source_name)
    source = client.show_server(ShowServerRequest(source_id=source_id))
    assert source.name == source_name, source
    assert source.disks, source
    overview = client.show_overview(ShowOverviewRequest())
    assert overview.waiting + overview.unconfigured >= 1, overview

    task_id = create_task(client, login, source, source_id, target_id)
    tasks = client.list_tasks(ListTasksRequest(source_server_id=source_id)).tasks
    assert [task.id for task in tasks] == [task_id], tasks
    assert show(client, task_id).state == "READY"

    act(client, task_id, "start")
    watch(client, task_id, "SYNCING")
    assert client.show_server(ShowServerRequest(source_id=source_id)).state == "syncing"
    act(client, task_id, "cutover")
    watch(client, task_id, "MIGRATE_SUCCESS")
    source = client.show_server(ShowServerRequest(source_id=source_id))
    assert (source.state, source.migration_cycle) == ("finished", "cutovered"), source

    finished = client.list_tasks(ListTasksRequest(state="MIGRATE_SUCCESS")).tasks
    assert task_id in [task.id for task in finished], finished
    client.show_consistency_result(ShowConsistencyResultRequest(task_id=task_id))

    client.delete_task(DeleteTaskRequest(task_id=task_id))
    until("the task is gone", lambda: not task_exists(client, task_id))
    return task_id


def find_source(client, name):
    """Finds the source by several filters, and proves that filters do exclude."""

    def registered():
        found = client.list_servers(ListServersRequest(name=name, connected=True, limit=10))
        return found.source_servers

    source = until(f"source {name} is registered", registered)[0]
    by_id = client.list_servers(ListServersRequest(id=source.id, state=source.state))
    assert by_id.count == 1, by_id
    nobody = client.list_servers(ListServersRequest(name="no-such-server-anywhere"))
    assert nobody.count == 0 and nobody.source_servers == [], nobody
    beyond = client.list_servers(ListServersRequest(limit=1, offset=60000))
    assert beyond.source_servers == [], beyond
    return source.id


def create_task(client, login, source, source_id, target_id):
    disks = [
        TargetDisks(name=disk.name, size=disk.size, used_size=disk.used_size, physical_volumes=[])
        for disk in source.disks
    ]
    body = PostTask(
        name="sdk-operator",
        type="MIGRATE_BLOCK",
        os_type="LINUX",
        region_id=login.project_name,
        region_name=login.project_name,
        project_id=login.project_id,
        project_name=login.project_name,
        source_server=SourceServerByTask(id=source_id),
        target_server=TargetServerByTask(
            name="target", vm_id=target_id, disks=disks, volume_groups=[], btrfs_list=[]
        ),
        exist_server=True,
        syncing=True,
        auto_start=False,
    )
    return client.create_task(CreateTaskRequest(body=body)).id


def watch(client, task_id, wanted):
    """Waits for a state; on the way no subtask may go backwards, and the task may not fail."""
    seen = {}

    def arrived():
        task = show(client, task_id)
        assert not task.state.endswith("_FAIL"), task
        for subtask in task.sub_tasks:
            before = seen.get(subtask.id, 0)
            assert before <= subtask.progress <= 100, (before, subtask)
            seen[subtask.id] = subtask.progress
        return task.state == wanted

    until(f"task is {wanted}", arrived)
    assert seen, "a running task shows its subtasks"


def act(client, task_id, operation):
    body = UpdateTaskStatusReq(operation=operation)
    client.update_task_status(UpdateTaskStatusRequest(task_id=task_id, body=body))


def show(client, task_id):
    return client.show_task(ShowTaskRequest(task_id=task_id))


def task_exists(client, task_id):
    return client.list_tasks(ListTasksRequest(id=task_id)).count > 0
