//! What the Terraform provider decodes answers into. Go is strict: text where a number is declared
//! is an error, and so is an object where a list is; null is the zero value, and a member that the
//! type does not have is ignored.

use serde::{Deserialize, Deserializer};

/// Null counts as the zero value.
fn or_zero<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Declares structures as Go does: every member may be missing or null.
macro_rules! go_types {
    ($($(#[$about:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                #[doc = concat!("`", stringify!($field), "`, as the provider declares it.")]
                #[serde(deserialize_with = "or_zero")]
                pub $field: $kind,
            )*
        }
    )*};
}

go_types! {
    /// What creating something answers.
    Created { id: String, }

    // Identity, as the provider asks at its start.

    /// `GET /`, where IAM is looked for.
    Versions { versions: VersionValues, }
    /// The versions of IAM.
    VersionValues { values: Vec<IdentityVersion>, }
    /// One version of IAM.
    IdentityVersion { id: String, status: String, links: Vec<VersionLink>, }
    /// Where a version is served.
    VersionLink { href: String, rel: String, }
    /// `GET /v3/projects`.
    Projects { projects: Vec<Project>, links: ListLinks, }
    /// A project, which SMS clients call a region.
    Project {
        id: String, name: String, description: String, domain_id: String, parent_id: String,
        is_domain: bool, enabled: bool, status: String,
    }
    /// Where the next page of a list is.
    ListLinks { next: String, previous: String, }
    /// `GET /v3/auth/domains`.
    Domains { domains: Vec<Domain>, links: ListLinks, }
    /// An account.
    Domain { id: String, name: String, description: String, enabled: bool, }
    /// `GET /v3/users`.
    Users { users: Vec<User>, links: ListLinks, }
    /// Somebody who may log in.
    User { id: String, name: String, domain_id: String, enabled: bool, }
    /// `POST /v3/auth/tokens`.
    TokenAnswer { token: Token, }
    /// What a token is good for.
    Token {
        expires_at: String, issued_at: String, project: TokenProject, domain: Domain,
        catalog: Vec<CatalogEntry>,
    }
    /// The project of a token.
    TokenProject { id: String, name: String, domain: Domain, }
    /// A service of the catalog.
    CatalogEntry {
        id: String, name: String, r#type: String, endpoints: Vec<CatalogEndpoint>,
    }
    /// Where a service is.
    CatalogEndpoint { id: String, region: String, interface: String, url: String, }
    /// `GET /v1/{project_id}/cloudservers/{server_id}`.
    CloudServerAnswer { server: CloudServer, }
    /// A cloud server, of which the task wants the name.
    CloudServer { id: String, name: String, status: String, }

    // Sources.

    /// A source in a list.
    SourceRow {
        id: String, ip: String, name: String, state: String, connected: bool, add_date: i64,
        agent_version: String, os_type: String, os_version: String, oem_system: bool,
        enterprise_project_id: String, cpu_quantity: i64, memory: i64,
        current_task: CurrentTask, checks: Vec<Check>, init_target_server: ProposedTarget,
        migration_cycle: String, replicatesize: i64, totalsize: i64, stage_action_time: i64,
        last_visit_time: i64, state_action_time: i64,
    }
    /// The task of a source. Without a clone `clone_server` is null: one reader wants an object
    /// there, and another one a list.
    CurrentTask {
        id: String, name: String, r#type: String, state: String, estimate_complete_time: i64,
        start_date: i64, speed_limit: f32, migrate_speed: f32, compress_rate: f32,
        start_target_server: bool, vm_template_id: String, region_id: String,
        project_name: String, project_id: String, target_server: NamedServer,
        clone_server: Option<serde_json::Value>, log_collect_status: String, exist_server: bool,
        use_public_ip: bool, remain_seconds: i64,
    }
    /// A server by id and name.
    NamedServer { vm_id: String, name: String, }
    /// A feasibility check.
    Check {
        id: i64, params: Vec<String>, name: String, result: String, error_code: String,
        error_or_warn: String, error_params: String,
    }
    /// What is proposed for the target.
    ProposedTarget { disks: Vec<ProposedDisk>, }
    /// A disk that is proposed.
    ProposedDisk {
        name: String, size: i64, device_use: String, physical_volumes: Vec<Partition>,
    }
    /// A partition.
    Partition {
        device_use: String, file_system: String, index: i64, mount_point: String, name: String,
        size: i64, used_size: i64, uuid: String,
    }
    /// A source by itself.
    Source {
        ip: String, name: String, hostname: String, enterprise_project_id: String, add_date: i64,
        os_type: String, os_version: String, oem_system: bool, state: String, connected: bool,
        firmware: String, init_target_server: ProposedTarget, cpu_quantity: i64, memory: i64,
        current_task: CurrentTask, disks: Vec<SourceDisk>, volume_groups: Vec<VolumeGroup>,
        btrfs_list: Vec<serde_json::Value>, networks: Vec<Network>, checks: Vec<Check>,
        migration_cycle: String, state_action_time: i64, replicatesize: i64, totalsize: i64,
        last_visit_time: i64, stage_action_time: i64, agent_version: String, has_tc: bool,
        adjust_disk: bool,
    }
    /// A disk of a source. Its id is a number here, and is sent back as one.
    SourceDisk {
        id: i64, name: String, partition_style: String, device_use: String, size: i64,
        used_size: i64, physical_volumes: Vec<SourcePartition>, os_disk: bool,
        relation_name: String, inode_size: i64, adjust_size: i64, need_migration: bool,
    }
    /// A partition of a source's disk.
    SourcePartition {
        id: i64, device_use: String, file_system: String, index: i64, mount_point: String,
        name: String, size: i64, used_size: i64, inode_size: i64, inode_nums: i64, uuid: String,
        size_per_cluster: i64, adjust_size: i64, need_migration: bool,
    }
    /// A volume group.
    VolumeGroup { name: String, size: i64, free_size: i64, components: String, }
    /// A network interface.
    Network {
        name: String, ip: String, ipv6: String, netmask: String, gateway: String, mtu: i64,
        mac: String,
    }

    // Templates and migration projects.

    /// `GET /v3/vm/templates/{id}`.
    TemplateAnswer { template: Template, }
    /// A server template.
    Template {
        id: String, name: String, is_template: String, region: String, projectid: String,
        target_server_name: String, availability_zone: String, flavor: String, vpc: Subnet,
        nics: Vec<Subnet>, security_groups: Vec<Subnet>, publicip: PublicIp,
        disk: Vec<TemplateDisk>, volumetype: String, data_volume_type: String,
        target_password: String,
    }
    /// A network, a subnet or a security group.
    Subnet { id: String, name: String, cidr: String, ip: String, }
    /// A public address.
    PublicIp { r#type: String, bandwidth_size: i64, }
    /// A disk of a template.
    TemplateDisk { index: i64, name: String, disktype: String, size: i64, }
    /// A migration project.
    MigrationProject {
        id: String, name: String, description: String, isdefault: bool, region: String,
        start_target_server: bool, speed_limit: i64, use_public_ip: bool, exist_server: bool,
        r#type: String, enterprise_project: String, syncing: bool, start_network_check: bool,
    }

    // Tasks.

    /// A task, as the wait for its state and as the resource read it.
    Task {
        id: String, name: String, r#type: String, os_type: String, priority: i64,
        start_target_server: bool, enterprise_project_id: String, migration_ip: String,
        region_name: String, region_id: String, project_name: String, project_id: String,
        vm_template_id: String, source_server: TaskSource, target_server: TaskTarget,
        state: String, connected: bool, migrate_speed: f32, compress_rate: f32,
        error_json: String, create_date: i64, start_date: i64, finish_date: i64,
        estimate_complete_time: i64, remain_seconds: i64, total_time: i64,
        target_snapshot_id: String, clone_server: NamedServer, sub_tasks: Vec<SubTask>,
        speed_limit: i64, use_public_ip: bool, syncing: bool, use_ipv6: bool,
        need_migration_test: bool,
    }
    /// The source of a task.
    TaskSource {
        id: String, ip: String, name: String, hostname: String, os_type: String,
        os_version: String, firmware: String, cpu_quantity: i64, memory: i64,
        disks: Vec<TaskDisk>, networks: Vec<Network>, domain_id: String, has_rsync: bool,
        paravirtualization: bool, raw_devices: String, driver_files: bool, system_services: bool,
        account_rights: bool, boot_loader: String, system_dir: String,
        volume_groups: Vec<VolumeGroup>, agent_version: String,
    }
    /// The target of a task.
    TaskTarget {
        id: String, vm_id: String, name: String, ip: String, os_type: String,
        os_version: String, system_dir: String, disks: Vec<TaskDisk>,
        volume_groups: Vec<VolumeGroup>, btrfs_list: Vec<String>, image_disk_id: String,
        cutovered_snapshot_ids: String,
    }
    /// A disk of a task.
    TaskDisk {
        name: String, device_use: String, disk_id: String, size: i64, used_size: i64,
        physical_volumes: Vec<Partition>,
    }
    /// A part of a task.
    SubTask {
        name: String, progress: i64, start_date: i64, end_date: i64, migrate_speed: f32,
        user_op: String, process_trace: String,
    }
    /// `GET /v3/tasks/{task_id}/speed-limit`.
    SpeedLimits { speed_limit: Vec<SpeedLimit>, }
    /// A window of time with its limit.
    SpeedLimit { start: String, end: String, speed: i64, over_speed_threshold: f64, }
    /// `GET /v3/tasks/{task_id}/configuration-setting`.
    Configurations { migrate_type: String, configurations: Vec<Configuration>, }
    /// An advanced option.
    Configuration { config_key: String, config_value: String, config_status: String, }
    /// `GET /v3/tasks/{task_id}/passphrase`.
    Passphrase { passphrase: String, }
}
