"""The public SDK as an agent: what a third-party agent calls, in the order of its life."""

from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import (
    CommandBody,
    DeleteServerRequest,
    ListServersRequest,
    NetWork,
    PhysicalVolume,
    PostSourceServerBody,
    PutCopyStateReq,
    RegisterServerRequest,
    ServerDisk,
    ShowCertKeyRequest,
    ShowCommandRequest,
    ShowPassphraseRequest,
    ShowServerRequest,
    ShowTaskRequest,
    UpdateCommandResultRequest,
    UpdateCopyStateRequest,
    UpdateTaskSpeedReq,
    UpdateTaskSpeedRequest,
)

from operator_flow import act, create_task

GIB = 1024**3

# SMS, UpdateCopyState: all values of all revisions of the page.
COPY_STATES = """
    unavailable waiting init initialize replicate syncing stopping stopped skipping deleting
    clearing cleared clearfailed premigready premiging premiged premigfailed cloning cutovering
    finished error
""".split()
MIGRATION_CYCLES = """
    checking setting replicating syncing cutovering cutovered no_ready ready_for_test testing tested
""".split()
# A source in these states stays in them, whatever its agent says (SMS, UpdateCopyState, 2026-01).
SHOWN_AS = {"init": "initialize"}


def run(client, login, target_id):
    every_documented_state_is_accepted(client)
    unknown_values_are_refused(client)
    follow_a_task(client, login, target_id)


def every_documented_state_is_accepted(client):
    """Without regard to case, each field alone and both together; and the state is what is shown."""
    for spelling in (str.lower, str.upper):
        for state in COPY_STATES:
            source_id = register(client, f"states-{state}-{spelling('x')}")
            change_state(client, source_id, copystate=spelling(state))
            shown = show(client, source_id).state
            assert shown == SHOWN_AS.get(state, state), (state, shown)
            unregister(client, source_id)
        for cycle in MIGRATION_CYCLES:
            source_id = register(client, f"cycles-{cycle}-{spelling('x')}")
            change_state(client, source_id, migrationcycle=spelling(cycle))
            shown = show(client, source_id).migration_cycle
            assert shown == cycle, (cycle, shown)
            unregister(client, source_id)

    # The example of the page itself.
    source_id = register(client, "states-of-the-example")
    change_state(client, source_id, copystate="WAITING", migrationcycle="cutovered")
    unregister(client, source_id)


def unknown_values_are_refused(client):
    source_id = register(client, "states-unknown")
    refused(lambda: change_state(client, source_id, copystate="flying"))
    refused(lambda: change_state(client, source_id, migrationcycle="flying"))
    refused(lambda: change_state(client, "00000000-0000-0000-0000-000000000000", "waiting"))
    unregister(client, source_id)


def follow_a_task(client, login, target_id):
    source_id = register(client, "sdk-agent")
    registered_again = register(client, "sdk-agent", source_id)
    assert registered_again == source_id
    assert command(client, source_id).command_name == "TASK_NOT_STARTED"

    task_id = create_task(client, login, show(client, source_id), source_id, target_id)
    assert command(client, source_id).command_name == "TASK_NOT_STARTED"
    act(client, task_id, "start")
    order = command(client, source_id)
    assert (order.command_name, order.command_param.task_id) == ("START", task_id), order
    obey(client, source_id, "START", task_id)

    certificates = client.show_cert_key(
        ShowCertKeyRequest(task_id=task_id, enable_ca_cert=True)
    )
    assert certificates.cert.startswith("-----BEGIN CERTIFICATE-----"), certificates
    assert certificates.private_key.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert certificates.ca.startswith("-----BEGIN CERTIFICATE-----"), certificates
    assert client.show_passphrase(ShowPassphraseRequest(task_id=task_id)).passphrase

    change_state(client, source_id, "replicate", "replicating")
    report(client, task_id, "SSL_CONFIG", 100)
    report(client, task_id, "MIGRATE_LINUX_BLOCK", 40)
    shown = subtasks(client, task_id)
    assert shown["SSL_CONFIG"] == 100 and shown["MIGRATE_LINUX_BLOCK"] == 40, shown
    refused(lambda: report(client, task_id, "NO_SUCH_SUBTASK", 1))
    refused(lambda: report(client, task_id, "MIGRATE_LINUX_BLOCK", 101))

    act(client, task_id, "stop")
    assert command(client, source_id).command_name == "STOP"
    obey(client, source_id, "STOP", task_id)
    assert show_task(client, task_id).state == "ABORT"
    return task_id


def register(client, name, source_id=None):
    root = PhysicalVolume(
        name="/dev/vda1", index=1, size=GIB - 2**20, used_size=2**20, file_system="ext4",
        mount_point="/", device_use="OS", inode_size=256, uuid="u-1",
    )
    disk = ServerDisk(
        name="/dev/vda", size=GIB, used_size=GIB, device_use="BOOT", partition_style="MBR",
        os_disk=True, physical_volumes=[root],
    )
    network = NetWork(
        name="eth0", ip="192.0.2.10", netmask="255.255.255.0", gateway="192.0.2.1", mtu=1500,
        mac="fa:16:3e:00:00:01",
    )
    body = PostSourceServerBody(
        id=source_id, ip="192.0.2.10", name=name, hostname=name, os_type="LINUX",
        os_version="DEBIAN_12_64BIT", firmware="BIOS", cpu_quantity=2, memory=4 * GIB,
        disks=[disk], btrfs_list=[], networks=[network], has_rsync=True, has_tc=True,
        paravirtualization=False, raw_devices="", boot_loader="GRUB", volume_groups=[],
        agent_version="25.2.0", kernel_version="6.1.0",
    )
    return client.register_server(RegisterServerRequest(body=body)).id


def unregister(client, source_id):
    client.delete_server(DeleteServerRequest(source_id=source_id))
    assert client.list_servers(ListServersRequest(id=source_id)).count == 0


def change_state(client, source_id, copystate=None, migrationcycle=None):
    body = PutCopyStateReq(copystate=copystate, migrationcycle=migrationcycle)
    client.update_copy_state(UpdateCopyStateRequest(source_id=source_id, body=body))


def command(client, source_id):
    return client.show_command(ShowCommandRequest(server_id=source_id))


def obey(client, source_id, name, task_id):
    body = CommandBody(command_name=name, result="success", result_detail={"task_id": task_id})
    client.update_command_result(UpdateCommandResultRequest(server_id=source_id, body=body))


def report(client, task_id, subtask, progress):
    body = UpdateTaskSpeedReq(
        subtask_name=subtask, progress=progress, replicatesize=progress, totalsize=100,
        process_trace="",
    )
    client.update_task_speed(UpdateTaskSpeedRequest(task_id=task_id, body=body))


def show(client, source_id):
    return client.show_server(ShowServerRequest(source_id=source_id))


def show_task(client, task_id):
    return client.show_task(ShowTaskRequest(task_id=task_id))


def subtasks(client, task_id):
    return {subtask.name: subtask.progress for subtask in show_task(client, task_id).sub_tasks}


def refused(call):
    """The call is answered by a 4xx in the form of SMS errors."""
    try:
        call()
    except ClientRequestException as error:
        assert 400 <= error.status_code < 500, error
        assert "." in error.error_code and error.error_msg and error.request_id, error
        return
    raise AssertionError("the call was accepted")
