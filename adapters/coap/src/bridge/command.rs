//! A command's form read as a request (W3C WoT CoAP binding, vocabulary `cov:`), and a device's
//! response as the command's end.

use std::net::SocketAddr;

use thingway_sdk::{
    Acknowledgement, AdapterError, Command, Form, Operation, Payload, Value, codec,
};

use crate::content_format;
use crate::device::{Target, value_type};
use crate::driver::{Handle, RequestError};
use crate::event::Failure;
use crate::exchange::{Request, Response};
use crate::message::{Code, options};

/// Carries a command to its device, called `device` in errors.
pub(crate) async fn carry(
    handle: &Handle,
    peer: SocketAddr,
    command: &Command,
    prefix: &str,
    device: &str,
) -> Result<Acknowledgement, AdapterError> {
    let request = request(command, prefix)?;
    let answer = handle.request(peer, request, command.deadline).await;
    let response = answer.map_err(|error| match error {
        RequestError::Failed(Failure::Timeout | Failure::Disconnected)
        | RequestError::Unreachable(_)
        | RequestError::Ended => AdapterError::TimedOut(format!("the device at {device}: {error}")),
        RequestError::Failed(Failure::Busy) => {
            AdapterError::Busy(format!("for the device at {device}"))
        }
        RequestError::Failed(failure) => AdapterError::Refused(failure.to_string()),
    })?;
    outcome(&response)
}

/// What a command does to its device.
fn request(command: &Command, prefix: &str) -> Result<Request, AdapterError> {
    let Command { form, payload, .. } = command;
    let address = form.address.as_str();
    let path = address.strip_prefix(prefix).unwrap_or(address);
    let target = Target::parse(path).ok_or_else(|| {
        AdapterError::Unsupported(format!("`{address}` is no path of this device"))
    })?;
    let mut request = target.request(method(form)?);
    if payload.bytes.is_empty() {
        return Ok(request);
    }
    request.payload = payload.bytes.clone();
    if let Some(format) = format(form, payload)? {
        request.options.set_uint(options::CONTENT_FORMAT, format.into());
    }
    Ok(request)
}

fn method(form: &Form) -> Result<Code, AdapterError> {
    let named = match form.terms.get("cov:method") {
        None => "",
        Some(Value::Text(method)) => method.as_str(),
        Some(_) => "?",
    };
    Ok(match (named, form.operation) {
        ("", Operation::WriteProperty) | ("PUT", _) => Code::PUT,
        ("", Operation::InvokeAction) | ("POST", _) => Code::POST,
        ("GET", _) => Code::GET,
        ("DELETE", _) => Code::DELETE,
        ("FETCH", _) => Code::FETCH,
        ("PATCH", _) => Code::PATCH,
        ("iPATCH", _) => Code::IPATCH,
        _ => {
            let reason = "the form's `cov:method` must be \"GET\", \"PUT\", \"POST\", \"DELETE\", \
                          \"FETCH\", \"PATCH\" or \"iPATCH\"";
            return Err(AdapterError::Unsupported(reason.into()));
        }
    })
}

/// The term, else what the gateway has encoded the payload in.
fn format(form: &Form, payload: &Payload) -> Result<Option<u16>, AdapterError> {
    if let Some(term) = form.terms.get("cov:contentFormat") {
        let number = match term {
            Value::Number(number) => number.as_str().parse().ok(),
            _ => None,
        };
        return number.map(Some).ok_or_else(|| {
            let reason = "the form's `cov:contentFormat` must be a number from 0 to 65535";
            AdapterError::Unsupported(reason.into())
        });
    }
    let Some(media_type) = payload.content_type.as_deref() else { return Ok(None) };
    content_format::number(media_type).map(Some).ok_or_else(|| {
        AdapterError::Unsupported(format!("CoAP has no content format for `{media_type}`"))
    })
}

/// How a command ended that was answered.
fn outcome(response: &Response) -> Result<Acknowledgement, AdapterError> {
    if response.code.is_success() {
        return Ok(Acknowledgement::Confirmed(result(response)));
    }
    let mut reason = match response.code.name() {
        Some(name) => format!("{} {name}", response.code),
        None => response.code.to_string(),
    };
    // An error's payload without a format is a text for people (RFC 7252, section 5.5.2).
    let diagnostic = String::from_utf8_lossy(&response.payload);
    if response.content_format().is_none() && !diagnostic.is_empty() {
        reason.push_str(": ");
        reason.push_str(&diagnostic);
    }
    Err(AdapterError::Refused(reason))
}

/// What an action returned.
fn result(response: &Response) -> Option<Value> {
    let payload = Payload {
        bytes: response.payload.clone(),
        content_type: response
            .content_format()
            .and_then(|format| value_type(format, &response.payload)),
    };
    let decoded = codec::decode(&payload, &RESULT, &mut Passed).ok()?;
    codec::whole(&payload, decoded.encoding, &RESULT)
}

/// How much of a result is looked at.
const RESULT: codec::Limits = codec::Limits { depth: 64, leaves: 10_000, name_bytes: 4096 };

/// The leaves of a result are of no interest: it is handed on as a whole.
struct Passed;

impl codec::Leaves for Passed {
    fn leaf(&mut self, _path: &str, _value: Value) {}

    fn whole(&mut self, _value: Value) {}

    fn restart(&mut self) {}
}

#[cfg(test)]
mod tests {
    use thingway_sdk::CommandId;
    use tokio::time::Instant;

    use super::*;

    fn command(operation: Operation, terms: &[(&str, Value)], content_type: &str) -> Command {
        let terms = terms.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        let content_type = Some(content_type.into());
        let form = Form { address: "lamp/on?x=1".into(), operation, content_type: None, terms };
        let payload = Payload { bytes: "1".into(), content_type };
        Command { id: CommandId("c".into()), form, payload, deadline: Instant::now() }
    }

    #[test]
    fn a_form_becomes_a_request() {
        let write = command(Operation::WriteProperty, &[], "application/cbor");
        let made = request(&write, "").unwrap();
        assert_eq!((made.method, made.path().as_str()), (Code::PUT, "/lamp/on"));
        assert_eq!(made.queries().collect::<Vec<_>>(), ["x=1"]);
        assert_eq!(made.options.uint(options::CONTENT_FORMAT), Some(60));
        let terms = [
            ("cov:method", Value::Text("iPATCH".into())),
            ("cov:contentFormat", Value::Number(11_542.into())),
        ];
        let made = request(&command(Operation::WriteProperty, &terms, "x/y"), "").unwrap();
        assert_eq!(made.method, Code::IPATCH);
        assert_eq!(made.options.uint(options::CONTENT_FORMAT), Some(11_542));
        let mut invoke = command(Operation::InvokeAction, &[], "text/plain");
        invoke.payload.bytes.clear();
        let made = request(&invoke, "lamp/").unwrap();
        assert_eq!((made.method, made.path().as_str()), (Code::POST, "/on"));
        assert_eq!(made.options.get(options::CONTENT_FORMAT), None);
    }

    #[test]
    fn what_coap_can_not_say_is_refused() {
        let text = |text: &str| Value::Text(text.into());
        for (term, value, media_type, hint) in [
            ("cov:method", text("put"), "text/plain", "cov:method"),
            ("cov:contentFormat", text("60"), "text/plain", "cov:contentFormat"),
            ("cov:x", text(""), "image/png", "image/png"),
        ] {
            let command = command(Operation::WriteProperty, &[(term, value)], media_type);
            let error = request(&command, "").unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn the_devices_answer_is_the_outcome() {
        let answer = |code, format, text: &'static str| {
            outcome(&match format {
                Some(format) => Response::with_body(code, format, text),
                None => Response::error(code, text),
            })
        };
        let confirmed = |value| Some(Acknowledgement::Confirmed(value));
        assert_eq!(answer(Code::CHANGED, None, "").ok(), confirmed(None));
        let number = Some(Value::Number(3.into()));
        assert_eq!(answer(Code::CONTENT, Some(0), "3").ok(), confirmed(number));
        let object = r#"{"a":{"b":1}}"#;
        let kept = Some(Value::Json(object.into()));
        assert_eq!(answer(Code::CHANGED, Some(50), object).ok(), confirmed(kept));
        let refused = answer(Code::METHOD_NOT_ALLOWED, None, "read only").unwrap_err();
        assert_eq!(refused.to_string(), "refused: 4.05 Method Not Allowed: read only");
    }
}
