//! Server templates: what a target server that the service creates shall look like.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::template_parts::{Nics, PublicIp, SgObject, TemplateDisk, VpcObject};
use super::{values, wire};

/// Body of `POST /v3/vm/templates` (SMS, CreateTemplate).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "template": {
        "name": "small",
        "is_template": true,
        "region": "cn-north-4",
        "projectid": "0605767a5580d5762fc5c0118c0f2a3b",
        "target_server_name": "web-1",
        "availability_zone": "cn-north-4a",
        "volumetype": "SSD",
        "flavor": "s6.large.2",
        "vpc": { "id": "autoCreate", "name": "autoCreate", "cidr": "192.168.0.0/16" },
        "nics": [{ "id": "autoCreate", "name": "autoCreate", "cidr": "192.168.0.0/16" }],
        "security_groups": [{ "id": "autoCreate", "name": "autoCreate" }],
        "publicip": { "type": "5_bgp", "bandwidth_size": 5 },
        "disk": [{ "index": 0, "name": "system", "disktype": "SSD", "size": 40 }]
    }
}))]
pub struct CreateTemplateReq {
    /// The template.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub template: Option<TemplateRequest>,
}

/// Answer of `POST /v3/vm/templates`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreateTemplateResponse {
    /// ID of the new template.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
}

/// Body of `PUT /v3/vm/templates/{id}` (SMS, UpdateTemplate).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "template": { "name": "small", "flavor": "s6.xlarge.2" } }))]
pub struct UpdateTemplateReq {
    /// What shall change; members that are absent stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateRequest>,
}

/// Body of `POST /v3/vm/templates/delete` (SMS, DeleteTemplates; spelled this way in SMS).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "ids": ["0198f6a4-55e0-7a90-8b3d-c74d1e2f6a08"] }))]
pub struct DeletetemplatesReq {
    /// IDs to delete.
    #[serde(default, deserialize_with = "wire::texts")]
    #[schema(value_type = Vec<values::AnyId>, inline, required)]
    pub ids: Vec<String>,
}

/// Answer of `GET /v3/vm/templates` (SMS, ListTemplates).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListTemplatesResponse {
    /// Total number of matches, regardless of limit and offset.
    #[schema(maximum = 65535)]
    pub count: Option<u32>,
    /// Page of templates.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub templates: Vec<TemplateResponseBody>,
}

/// Answer of `GET /v3/vm/templates/{id}` (SMS, ShowTemplate).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowTemplateResponse {
    /// The template.
    pub template: Option<TemplateResponseBody>,
}

/// Answer of `GET /v3/vm/templates/{id}/target-password` (SMS, ShowTargetPassword).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowTargetPasswordResponse {
    /// Template ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub template_id: Option<String>,
    /// Password stored in the template.
    #[schema(max_length = 255)]
    pub target_password: Option<String>,
}

impl std::fmt::Debug for ShowTargetPasswordResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShowTargetPasswordResponse")
            .field("template_id", &self.template_id)
            .finish_non_exhaustive()
    }
}

/// A template as it is asked for.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateRequest {
    /// Template name: Chinese characters, letters, digits, underscore, hyphen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[一-龥_0-9a-zA-Z-]*$"
    )]
    pub name: Option<String>,
    /// Whether this is a general (reusable) template; otherwise it belongs to one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_template: Option<bool>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub region: Option<String>,
    /// Project ID (no underscore here).
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub projectid: Option<String>,
    /// Name of the target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub target_server_name: Option<String>,
    /// Availability zone for the target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub availability_zone: Option<String>,
    /// EVS type of the system disk, such as SAS, SSD or SATA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, examples("SAS", "SSD", "SATA"))]
    pub volumetype: Option<String>,
    /// ECS flavor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65535)]
    pub flavor: Option<String>,
    /// VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc: Option<VpcObject>,
    /// Network cards of the target; one entry with ID autoCreate to have it created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 65535)]
    pub nics: Option<Vec<Nics>>,
    /// Security groups; one entry with ID autoCreate to have it created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<SgObject>>,
    /// EIP to create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publicip: Option<PublicIp>,
    /// Disks of the target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Vec<TemplateDisk>>,
    /// EVS type for data disks, such as SAS, SSD or SATA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, examples("SAS", "SSD", "SATA"))]
    pub data_volume_type: Option<String>,
    /// Password of the target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub target_password: Option<String>,
    /// Image chosen for the new target server.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub image_id: Option<String>,
}

impl std::fmt::Debug for TemplateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemplateRequest")
            .field("name", &self.name)
            .field("is_template", &self.is_template)
            .finish_non_exhaustive()
    }
}

/// A template as it is listed and shown.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateResponseBody {
    /// Template ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// Template name.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub name: String,
    /// Whether this is a general template: "true" or "false", a text here although requests have
    /// a boolean.
    #[schema(max_length = 255, examples("true", "false"))]
    pub is_template: Option<String>,
    /// Region.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub region: String,
    /// Project ID (no underscore here).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub projectid: String,
    /// Name of the target server.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub target_server_name: String,
    /// Availability zone for the target server.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub availability_zone: String,
    /// EVS type of the system disk, such as SAS, SSD or SATA.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, examples("SAS", "SSD", "SATA"))]
    pub volumetype: String,
    /// ECS flavor.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub flavor: String,
    /// VPC.
    #[schema(required)]
    pub vpc: Option<VpcObject>,
    /// Network cards of the target; one entry with ID autoCreate to have it created.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub nics: Vec<Nics>,
    /// Security groups; one entry with ID autoCreate to have it created.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub security_groups: Vec<SgObject>,
    /// EIP to create.
    #[schema(required)]
    pub publicip: Option<PublicIp>,
    /// Disks of the target server.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub disk: Vec<TemplateDisk>,
    /// EVS type for data disks, such as SAS, SSD or SATA.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, examples("SAS", "SSD", "SATA"))]
    pub data_volume_type: String,
    /// Password of the target server.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 1024)]
    pub target_password: String,
    /// Image chosen for the new target server.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub image_id: Option<String>,
}

impl std::fmt::Debug for TemplateResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemplateResponseBody")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("is_template", &self.is_template)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_terraform_is_read_and_its_password_stays_out_of_debug() {
        let body: CreateTemplateReq = serde_json::from_str(
            r#"{"template":{"name":"t-1","is_template":true,"region":"cn-north-4","projectid":"p1",
                "vpc":{"id":"autoCreate","name":"autoCreate","cidr":"192.168.0.0/16"},"nics":null,
                "publicip":{"type":"5_bgp","bandwidth_size":5},"target_password":"hush",
                "disk":[{"id":0,"index":0,"name":"system","disktype":"SAS","size":40}]}}"#,
        )
        .unwrap();
        assert!(!format!("{body:?}").contains("hush"));
        let template = body.template.unwrap();
        assert_eq!(template.target_password.as_deref(), Some("hush"));
        assert_eq!(template.is_template, Some(true));
        assert_eq!(template.nics, None);
        assert_eq!(template.disk.unwrap()[0].size, Some(40));
    }

    #[test]
    fn a_shown_template_writes_text_and_lists_even_when_they_are_empty() {
        let template = TemplateResponseBody {
            is_template: Some("false".into()),
            ..Default::default()
        };
        let json = serde_json::to_value(&template).unwrap();
        assert_eq!(json["is_template"], "false");
        assert_eq!(json["flavor"], "");
        assert_eq!(json["nics"], serde_json::json!([]));
        assert!(json.get("publicip").unwrap().is_null());
        let read: TemplateResponseBody =
            serde_json::from_str(r#"{"is_template":"false","flavor":null,"nics":null}"#).unwrap();
        assert_eq!(read, template);
    }
}
