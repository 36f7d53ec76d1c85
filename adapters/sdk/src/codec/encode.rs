use super::cbor::{self, EncodeError};
use super::senml::{self, Entry};
use super::{Encoding, declared};
use crate::model::Value;

/// One value as the payload of this media type; JSON when there is none. In SenML it is one record
/// with this name and unit, and without a time, which means now.
///
/// # Errors
/// When the media type is not known, or can't say the value.
pub fn encode(
    value: &Value,
    content_type: Option<&str>,
    name: &str,
    unit: Option<&str>,
) -> Result<Vec<u8>, EncodeError> {
    let Some(content_type) = content_type else { return Ok(value.to_json().into_bytes()) };
    let record = Entry { name: name.into(), unit, value, time: None };
    match declared(Some(content_type)) {
        Some(Encoding::Json) => Ok(value.to_json().into_bytes()),
        Some(Encoding::Text | Encoding::Csv | Encoding::Layout | Encoding::Octets) => {
            Ok(value.to_octets())
        }
        Some(Encoding::Cbor) => cbor::encode(value),
        Some(Encoding::SenmlJson | Encoding::SenmlCbor) if *value == Value::Null => {
            Err(EncodeError("SenML has no null".to_owned()))
        }
        Some(Encoding::SenmlJson) => Ok(senml::write_json([record])),
        Some(Encoding::SenmlCbor) => senml::write_cbor([record]),
        None => Err(EncodeError(format!(
            "the device takes `{content_type}`, which no value can be written in"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str, content_type: Option<&str>) -> String {
        let value = Value::from_json(json).unwrap();
        String::from_utf8(encode(&value, content_type, "temp", Some("Cel")).unwrap()).unwrap()
    }

    #[test]
    fn a_value_is_written_in_the_form_that_its_device_takes() {
        assert_eq!(text("21.50", None), "21.50");
        assert_eq!(text("\"on\"", Some("application/json")), "\"on\"");
        assert_eq!(text("\"on\"", Some("text/plain;charset=utf-8")), "on");
        assert_eq!(text("\"on\"", Some("application/octet-stream")), "on");
        assert_eq!(
            text("21.50", Some("application/senml+json")),
            r#"[{"n":"temp","u":"Cel","v":21.50}]"#
        );
        let truth = encode(&Value::Boolean(true), Some("application/cbor"), "on", None);
        assert_eq!(truth.unwrap(), [0xf5]);
        let truth = encode(&Value::Boolean(true), Some("application/senml+cbor"), "on", None);
        assert_eq!(truth.unwrap(), [0x81, 0xa2, 0x00, 0x62, b'o', b'n', 0x04, 0xf5]);
    }

    #[test]
    fn what_no_value_can_be_written_in_is_refused() {
        let refused = |content_type| encode(&Value::Null, Some(content_type), "on", None).is_err();
        assert!(refused("application/exi"));
        assert!(refused("application/senml+json"));
    }
}
