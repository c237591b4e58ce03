"""Source servers, from both sides: people who look at them, and the agents that speak for them."""

from huaweicloudsdksms.v3 import (
    CommandBody,
    DeleteIds,
    DeleteServerRequest,
    DeleteServersRequest,
    ListErrorServersRequest,
    ListServersRequest,
    PostSourceServerBody,
    PutCopyStateReq,
    PutDisk,
    PutDiskInfoReq,
    PutSourceServerBody,
    RegisterServerRequest,
    ServerDisk,
    ShowCommandRequest,
    ShowOverviewRequest,
    ShowServerRequest,
    UpdateCommandResultRequest,
    UpdateCopyStateRequest,
    UpdateDiskInfoRequest,
    UpdateServerNameRequest,
)

from agent_flow import change_state, command, obey, register, show, unregister
from operations.recording import refused
from operations.world import NOBODY
from operator_flow import act

GIB = 1024**3


def registration(world):
    client = world.client
    source_id = world.source("registered")
    shown = show(client, source_id)
    assert (shown.state, shown.migration_cycle) == ("waiting", "setting"), shown
    assert shown.connected and shown.checks and shown.disks and shown.networks, shown
    proposed = shown.init_target_server.disks
    assert [disk.name for disk in proposed] == [disk.name for disk in shown.disks], proposed
    assert register(client, shown.name, source_id) == source_id
    nothing = PostSourceServerBody(name="nothing-else", os_type="LINUX", agent_version="25.2.0")
    refused(lambda: client.register_server(RegisterServerRequest(body=nothing)), 400)
    refused(lambda: register(client, ""), 400)
    refused(lambda: register(client, "x" * 65), 400)
    missing = ShowServerRequest(source_id=NOBODY)
    refused(lambda: client.show_server(missing), 404, "SMS.7602")

    overview = client.show_overview(ShowOverviewRequest())
    assert overview.waiting >= 1 and overview.unconfigured >= 1, overview
    refused(lambda: world.stranger().show_overview(ShowOverviewRequest()), 401)


def lists(world):
    client = world.client
    source_id = world.source("listed")
    source = show(client, source_id)
    for filters in (
        {"id": source_id},
        {"name": source.name},
        {"id": source_id, "ip": source.ip, "state": "waiting", "migration_cycle": "setting"},
        {"id": source_id, "connected": True, "is_consistency_result_exist": False},
    ):
        found = client.list_servers(ListServersRequest(**filters))
        ids = [row.id for row in found.source_servers]
        assert (found.count, ids) == (1, [source_id]), (filters, found)
    for filters in (
        {"id": source_id, "state": "finished"},
        {"id": source_id, "ip": "192.0.2.99"},
        {"id": source_id, "migproject": NOBODY},
        {"id": source_id, "vm_id": NOBODY},
        {"id": source_id, "is_consistency_result_exist": True},
    ):
        found = client.list_servers(ListServersRequest(**filters))
        assert (found.count, found.source_servers) == (0, []), (filters, found)
    seen, total = [], client.list_servers(ListServersRequest()).count
    for offset in range(0, total, 2):
        page = client.list_servers(ListServersRequest(limit=2, offset=offset))
        assert page.count == total and len(page.source_servers) <= 2, page
        seen += [row.id for row in page.source_servers]
    assert len(seen) == len(set(seen)) == total, seen
    for filters in ({"limit": 201}, {"offset": -1}, {"state": "flying"}, {"id": "x" * 256}):
        refused(lambda filters=filters: client.list_servers(ListServersRequest(**filters)), 400)


def changes(world):
    client = world.client
    source_id = world.source("renamed")
    name = world.name("new-name")
    rename(client, source_id, name)
    assert show(client, source_id).name == name
    refused(lambda: rename(client, source_id, "x" * 65), 400)
    refused(lambda: rename(client, NOBODY, name), 404, "SMS.7602")
    # Terraform reads the id of a disk as a number and sends it back as one.
    body = PutSourceServerBody(disks=[PutDisk(id=1, need_migration=True, adjust_size=0)])
    client.update_server_name(UpdateServerNameRequest(source_id=source_id, body=body))

    change_state(client, source_id, "waiting", "checking")
    body = PutCopyStateReq(copystate="flying", migrationcycle="checking")
    unknown = UpdateCopyStateRequest(source_id=source_id, body=body)
    refused(lambda: client.update_copy_state(unknown), 400)


def inventory(world):
    client = world.client
    source_id = world.source("inventory")
    disks = [
        ServerDisk(
            name=name, size=size, used_size=size, device_use=use, partition_style="GPT",
            os_disk=use == "OS", physical_volumes=[],
        )
        for name, size, use in (("/dev/vda", GIB, "OS"), ("/dev/vdb", 2 * GIB, "NORMAL"))
    ]
    body = PutDiskInfoReq(disks=disks, volumegroups=[], btrfs_list=[])
    client.update_disk_info(UpdateDiskInfoRequest(source_id=source_id, body=body))
    shown = [(disk.name, disk.size) for disk in show(client, source_id).disks]
    assert shown == [("/dev/vda", GIB), ("/dev/vdb", 2 * GIB)], shown
    nobody = UpdateDiskInfoRequest(source_id=NOBODY, body=body)
    refused(lambda: client.update_disk_info(nobody), 404)


def orders(world):
    client = world.client
    source_id = world.source("ordered")
    task_id = world.task(source_id)
    act(client, task_id, "start")
    order = command(client, source_id)
    assert (order.command_name, order.command_param.task_id) == ("START", task_id), order
    result = CommandBody(command_name="START", result="perhaps", result_detail={})
    strange = UpdateCommandResultRequest(server_id=source_id, body=result)
    refused(lambda: client.update_command_result(strange), 400, "SMS.6022")
    result = CommandBody(command_name="DANCE", result="success", result_detail={})
    strange = UpdateCommandResultRequest(server_id=source_id, body=result)
    refused(lambda: client.update_command_result(strange), 400, "SMS.6021")
    obey(client, source_id, "START", task_id)
    nobody = ShowCommandRequest(server_id=NOBODY)
    refused(lambda: client.show_command(nobody), 404)


def failures_are_listed(world):
    client = world.client
    source_id = world.source("failing")
    task_id = world.task(source_id)
    act(client, task_id, "start")
    obey(client, source_id, "START", task_id)
    change_state(client, source_id, "replicate", "replicating")
    change_state(client, source_id, "error", "replicating")
    failed = client.list_error_servers(ListErrorServersRequest(limit=100, offset=0))
    assert source_id in [row.source_id for row in failed.migration_errors], failed
    too_many = ListErrorServersRequest(limit=101, offset=0)
    refused(lambda: client.list_error_servers(too_many), 400)


def deletes(world):
    client = world.client
    unregister(client, world.source("deleted"))
    refused(lambda: client.delete_server(DeleteServerRequest(source_id=NOBODY)), 404, "SMS.7602")
    several = [world.source("deleted-together") for _ in range(3)]
    body = DeleteIds(ids=several)
    client.delete_servers(DeleteServersRequest(body=body))
    for source_id in several:
        missing = ShowServerRequest(source_id=source_id)
        refused(lambda missing=missing: client.show_server(missing), 404)
    for ids in ([], several * 17):
        body = DeleteIds(ids=ids)
        wrong = DeleteServersRequest(body=body)
        refused(lambda wrong=wrong: client.delete_servers(wrong), 400)


def rename(client, source_id, name):
    body = PutSourceServerBody(name=name)
    client.update_server_name(UpdateServerNameRequest(source_id=source_id, body=body))


PARTS = [registration, lists, changes, inventory, orders, failures_are_listed, deletes]
