//! Tables for people: CSV with a head line, made row by row.

use crate::errors::ApiError;

/// One line of a CSV file. A field that a spreadsheet would take for a formula is kept from being one,
/// because names come from machines that nobody here knows.
pub(crate) fn line<'f>(fields: impl IntoIterator<Item = &'f str>) -> Result<Vec<u8>, ApiError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| ApiError::Internal {
        act: "write a line of a table",
        source,
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for field in fields {
        let written = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            writer.write_field(format!("'{field}"))
        } else {
            writer.write_field(field)
        };
        written.map_err(|error| failed(error.into()))?;
    }
    writer
        .write_record(None::<&[u8]>)
        .map_err(|error| failed(error.into()))?;
    writer
        .into_inner()
        .map_err(|error| failed(error.to_string().into()))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn what_would_break_a_table_does_not() {
        let text = line(["a", "b,c", "say \"x\"", "=1+1", ""]).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "a,\"b,c\",\"say \"\"x\"\"\",'=1+1,\n"
        );
    }
}
