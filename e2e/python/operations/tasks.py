"""Tasks, as those who create and steer them see them."""

from huaweicloudsdksms.v3 import (
    ConfigBody,
    ConfigurationRequestBody,
    DeleteTaskRequest,
    DeleteTasksReq,
    DeleteTasksRequest,
    CreateTaskRequest,
    ListTasksRequest,
    ShowConfigSettingRequest,
    ShowsSpeedLimitsRequest,
    ShowTaskRequest,
    SourceServerByTask,
    SpeedLimit,
    SpeedLimitlJson,
    UpdateSpeedRequest,
    UploadSpecialConfigurationSettingRequest,
)

from agent_flow import show_task
from operations.recording import refused
from operations.world import NOBODY
from operator_flow import act


def creation(world):
    client = world.client
    source_id = world.source("with-task")
    task_id = world.task(source_id, speed_limit=30, priority=2, use_public_ip=False)
    shown = show_task(client, task_id)
    assert (shown.id, shown.state, shown.type) == (task_id, "READY", "MIGRATE_BLOCK"), shown
    assert (shown.speed_limit, shown.priority) == (30, 2), shown
    assert shown.source_server.id == source_id, shown
    assert shown.target_server.vm_id == world.target_id, shown
    body = world.task_body(source_id)
    refused(lambda: client.create_task(CreateTaskRequest(body=body)), 400, "SMS.7601")

    other_id = world.source("with-bad-task")
    for members, code in (
        ({"name": "x" * 65}, None),
        ({"name": ""}, None),
        ({"type": "MIGRATE_BY_MAGIC"}, "SMS.7712"),
        ({"priority": 3}, None),
        ({"speed_limit": 1001}, None),
        ({"source_server": SourceServerByTask(id=NOBODY)}, "SMS.7602"),
    ):
        bad = CreateTaskRequest(body=world.task_body(other_id, **members))
        refused(lambda bad=bad: client.create_task(bad), code=code)
    refused(lambda: client.show_task(ShowTaskRequest(task_id=NOBODY)), 404, "SMS.7703")


def lists(world):
    client = world.client
    source_id = world.source("with-listed-task")
    task_id = world.task(source_id)
    name = show_task(client, task_id).name
    for filters in (
        {"id": task_id},
        {"source_server_id": source_id},
        {"name": name, "state": "READY"},
    ):
        found = client.list_tasks(ListTasksRequest(**filters))
        ids = [task.id for task in found.tasks]
        assert (found.count, ids) == (1, [task_id]), (filters, found)
    nothing = client.list_tasks(ListTasksRequest(id=task_id, state="MIGRATE_SUCCESS"))
    assert (nothing.count, nothing.tasks) == (0, []), nothing
    beyond = client.list_tasks(ListTasksRequest(limit=1, offset=65000))
    assert beyond.count >= 1 and beyond.tasks == [], beyond
    for filters in ({"limit": 201}, {"state": "FLYING"}):
        refused(lambda filters=filters: client.list_tasks(ListTasksRequest(**filters)), 400)


def actions(world):
    client = world.client
    source_id = world.source("with-actions")
    task_id = world.task(source_id, syncing=False)
    for operation, code in (
        ("fly", None),
        ("stop", "SMS.7714"),
        ("cutover", "SMS.7721"),
        ("restart", "SMS.7722"),
    ):
        refused(lambda operation=operation: act(client, task_id, operation), 400, code)
    act(client, task_id, "start")
    refused(lambda: act(client, task_id, "start"), 400, "SMS.7713")
    refused(lambda: act(client, NOBODY, "start"), 404, "SMS.7703")


def speed_limits(world):
    client = world.client
    task_id = world.task(world.source("with-limits"))
    assert limits(client, task_id) == []
    windows = [("08:00", "18:00", 50), ("18:00", "23:59", 1000)]
    limit(client, task_id, windows)
    assert limits(client, task_id) == windows
    limit(client, task_id, windows[:1])
    assert limits(client, task_id) == windows[:1], "the list is replaced as a whole"
    for wrong in (
        [("08:00", "18:00", 1001)],
        [("25:00", "26:00", 1)],
        [(f"0{hour}:00", f"0{hour + 1}:00", 1) for hour in range(6)],
    ):
        refused(lambda wrong=wrong: limit(client, task_id, wrong), 400)
    assert limits(client, task_id) == windows[:1], "what is refused changes nothing"
    refused(lambda: limits(client, NOBODY), 404)
    limit(client, task_id, [])
    assert limits(client, task_id) == []


def settings(world):
    client = world.client
    task_id = world.task(world.source("with-settings"))
    configure(client, task_id, "MIGRATE_EXCLUDE_DIR", "/var/cache")
    configure(client, task_id, "LINUX_CPU_LIMIT", "50")
    told = client.show_config_setting(ShowConfigSettingRequest(task_id=task_id))
    assert (told.task_id, told.migrate_type) == (task_id, "LINUX_MIGRATE_BLOCK"), told
    assert ("LINUX_CPU_LIMIT", "50") in [
        (setting.config_key, setting.config_value) for setting in told.configurations
    ], told
    one = ShowConfigSettingRequest(task_id=task_id, config_key="LINUX_CPU_LIMIT")
    keys = [setting.config_key for setting in client.show_config_setting(one).configurations]
    assert keys == ["LINUX_CPU_LIMIT"], keys
    refused(lambda: configure(client, task_id, "LINUX_CPU_LIMIT", "x" * 1025), 400)
    missing = ShowConfigSettingRequest(task_id=NOBODY)
    refused(lambda: client.show_config_setting(missing), 404)


def deletes(world):
    client = world.client
    source_id = world.source("with-deleted-task")
    world.remove_task(source_id, world.task(source_id))
    refused(lambda: client.delete_task(DeleteTaskRequest(task_id=NOBODY)), 404, "SMS.7703")
    several = [world.task(world.source("with-deleted-tasks")) for _ in range(2)]
    client.delete_tasks(DeleteTasksRequest(body=DeleteTasksReq(ids=several)))
    nothing = DeleteTasksRequest(body=DeleteTasksReq(ids=[]))
    refused(lambda: client.delete_tasks(nothing), 400)


def limits(client, task_id):
    told = client.shows_speed_limits(ShowsSpeedLimitsRequest(task_id=task_id)).speed_limit
    return [(window.start, window.end, window.speed) for window in told]


def limit(client, task_id, windows):
    windows = [SpeedLimitlJson(start=start, end=end, speed=speed) for start, end, speed in windows]
    body = SpeedLimit(speed_limit=windows)
    client.update_speed(UpdateSpeedRequest(task_id=task_id, body=body))


def configure(client, task_id, key, value):
    body = ConfigurationRequestBody(
        configurations=[ConfigBody(config_key=key, config_value=value, config_status="")]
    )
    client.upload_special_configuration_setting(
        UploadSpecialConfigurationSettingRequest(task_id=task_id, body=body)
    )


PARTS = [creation, lists, actions, speed_limits, settings, deletes]
