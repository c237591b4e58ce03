//! How values look on the wire where SMS clients disagree with each other.
//!
//! The official SDK, Terraform and third-party agents send the same member as text or as a number,
//! or a list as `null`. A server accepts the union and answers what the strictest reader decodes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Id of a record inside a source server or task: a disk, a partition, a volume group.
///
/// Written as an integer. Read from an integer or from text, because the SDK types these ids as
/// text and Terraform sends integers. Text that is no number is kept, so that it can be refused as
/// an unknown id and not as a malformed body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum RecordId {
    /// The id as the service gave it out.
    Number(u64),
    /// Something that the service never gave out.
    Text(String),
}

impl RecordId {
    /// The number, if it can be one of the service's ids.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl From<u64> for RecordId {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = TextOrNumber::deserialize(deserializer)?.into_text();
        Ok(text.parse().map_or_else(|_| Self::Text(text), Self::Number))
    }
}

impl PartialSchema for RecordId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
            .into()
    }
}

impl ToSchema for RecordId {}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Unsigned(u64),
    Signed(i64),
}

impl TextOrNumber {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Unsigned(number) => number.to_string(),
            Self::Signed(number) => number.to_string(),
        }
    }
}

/// Reads an id that is text in the contract and may arrive as an integer.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<TextOrNumber>::deserialize(deserializer)?.map(TextOrNumber::into_text))
}

/// Reads a list of such ids; `null` is the empty list.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Option::<Vec<TextOrNumber>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(values.into_iter().map(TextOrNumber::into_text).collect())
}

/// Reads `null` as the default: the empty list, the empty text, zero.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Writes a number without a fraction as an integer, because some readers decode it into one and
/// refuse `0.0`. What is not finite has no JSON form and becomes `null`.
#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
pub(super) fn number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    /// Up to here a float holds every integer exactly.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within the exact range"
        )]
        Some(value) if value.fract() == 0.0 && value.abs() <= EXACT => {
            serializer.serialize_i64(*value as i64)
        }
        Some(value) if value.is_finite() => serializer.serialize_f64(*value),
        _ => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DeleteIds, NetworkCheckInfoRequestBody, PutSourceServerBody, ServerDisk};
    use super::RecordId;

    #[test]
    fn record_ids_arrive_as_integer_or_text_and_leave_as_integer() {
        let body: PutSourceServerBody = serde_json::from_str(
            r#"{"disks":[{"id":7},{"id":"8"},{"id":"x"},{"id":null}],"surprise":1}"#,
        )
        .unwrap();
        let ids: Vec<_> = body
            .disks
            .unwrap()
            .into_iter()
            .map(|disk| disk.id)
            .collect();
        assert_eq!(
            ids,
            [
                Some(RecordId::Number(7)),
                Some(RecordId::Number(8)),
                Some(RecordId::Text("x".into())),
                None
            ]
        );
        assert_eq!(serde_json::to_string(&ids[1]).unwrap(), "8");
    }

    #[test]
    fn text_ids_arrive_as_numbers_too() {
        let body: DeleteIds = serde_json::from_str(r#"{"ids":["a",12,-1]}"#).unwrap();
        assert_eq!(body.ids, ["a", "12", "-1"]);
        assert!(serde_json::from_str::<DeleteIds>(r#"{"ids":[{}]}"#).is_err());
    }

    #[test]
    fn null_lists_are_empty_and_empty_lists_are_written() {
        let disk: ServerDisk =
            serde_json::from_str(r#"{"physical_volumes":null,"size":1}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&disk).unwrap(),
            r#"{"size":1,"physical_volumes":[]}"#
        );
    }

    #[test]
    fn whole_numbers_are_written_without_a_fraction() {
        let info = NetworkCheckInfoRequestBody {
            network_delay: Some(3.0),
            network_jitter: Some(0.25),
            loss_percentage: Some(f64::NAN),
            ..Default::default()
        };
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json["network_delay"].to_string(), "3");
        assert_eq!(json["network_jitter"].to_string(), "0.25");
        assert!(json["loss_percentage"].is_null());
    }
}
