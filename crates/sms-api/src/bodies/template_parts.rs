//! What a server template is made of: network, address, disks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values;
use super::wire::{self, RecordId};

/// The VPC of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VpcObject {
    /// VPC ID, or autoCreate.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::FilledId>, inline)]
    pub id: Option<String>,
    /// VPC name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// VPC range, 192.168.0.0/16 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, default = "192.168.0.0/16")]
    pub cidr: Option<String>,
}

/// A network card of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Nics {
    /// Subnet ID, or autoCreate.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = values::Id, inline, required)]
    pub id: Option<String>,
    /// Subnet name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub name: Option<String>,
    /// Subnet gateway and mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub cidr: Option<String>,
    /// Address for the server; assigned automatically when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ip: Option<String>,
}

/// A security group of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SgObject {
    /// Security group ID, or autoCreate.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = values::Id, inline, required)]
    pub id: Option<String>,
    /// Security group name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub name: Option<String>,
}

/// The EIP of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicIp {
    /// EIP type, 5_bgp by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255, default = "5_bgp")]
    pub r#type: Option<String>,
    /// EIP bandwidth, Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, minimum = 1, maximum = 2000)]
    pub bandwidth_size: Option<u32>,
    /// How the EIP bandwidth is shared, in the words of the EIP service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub bandwidth_share_type: Option<String>,
}

/// A disk of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateDisk {
    /// Disk record ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub id: Option<RecordId>,
    /// Position of the disk, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub index: Option<u32>,
    /// Disk name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub name: Option<String>,
    /// EVS type of the disk, such as SAS, SSD or SATA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub disktype: Option<String>,
    /// Size, GB (not bytes, unlike everywhere else).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub size: Option<u64>,
    /// Role of the disk, such as OS, BOOT or NORMAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub device_use: Option<String>,
}
