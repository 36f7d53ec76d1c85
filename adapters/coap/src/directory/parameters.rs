//! What a registration says of itself in its query.

use std::time::Duration;

use url::Url;

use super::{EndpointName, Limits, Refusal};
use crate::link_format::Attribute;

/// Unless it says otherwise, a registration lasts this long (section 5).
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(90_000);

/// Bytes of an endpoint's name and of its sector (section 5).
const LONGEST_NAME: usize = 63;

/// The parameters of a registration or of an update.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    endpoint: Option<String>,
    sector: Option<String>,
    pub(super) lifetime: Option<Duration>,
    pub(super) base: Option<Url>,
    /// What the standard knows nothing of and keeps.
    pub(super) extra: Vec<Attribute>,
}

impl Parameters {
    pub(super) fn parse(query: &[&str], limits: &Limits) -> Result<Self, Refusal> {
        let bytes: usize = query.iter().map(|argument| argument.len()).sum();
        if bytes > limits.parameter_bytes {
            let most = limits.parameter_bytes;
            return Err(Refusal::Query(format!("{bytes} bytes of parameters, more than {most}")));
        }
        let mut parameters = Self::default();
        for argument in query.iter().filter(|argument| !argument.is_empty()) {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (*argument, None),
            };
            let text = value.unwrap_or_default();
            let given_before = match name {
                "ep" => parameters.endpoint.replace(short(name, text)?).is_some(),
                "d" => parameters.sector.replace(short(name, text)?).is_some(),
                "lt" => parameters.lifetime.replace(lifetime(text)?).is_some(),
                "base" => parameters.base.replace(base(text)?).is_some(),
                _ => {
                    parameters.keep(name, value)?;
                    false
                }
            };
            if given_before {
                return Err(Refusal::Query(format!("`{name}` stands twice")));
            }
        }
        Ok(parameters)
    }

    fn keep(&mut self, name: &str, value: Option<&str>) -> Result<(), Refusal> {
        // It has to stand as an attribute's name in the answers to lookups.
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$&+-.^_`|~*".contains(c);
        if name.is_empty() || !name.chars().all(fits) {
            let name = name.escape_debug();
            return Err(Refusal::Query(format!("`{name}` can't be the name of a parameter")));
        }
        let value = value.map(str::to_owned);
        self.extra.push(Attribute { name: name.to_owned(), value });
        Ok(())
    }

    /// Who registers.
    pub(super) fn name(&self) -> Result<EndpointName, Refusal> {
        match &self.endpoint {
            Some(endpoint) => {
                Ok(EndpointName { endpoint: endpoint.clone(), sector: self.sector.clone() })
            }
            None => Err(Refusal::Query("`ep` is missing: it names the endpoint".to_owned())),
        }
    }

    /// Whether it says who the endpoint is, which stays as it is for good.
    pub(super) fn names(&self, name: &EndpointName) -> bool {
        let endpoint = self.endpoint.as_ref().is_none_or(|endpoint| *endpoint == name.endpoint);
        endpoint && self.sector.as_ref().is_none_or(|sector| Some(sector) == name.sector.as_ref())
    }
}

fn short(name: &str, value: &str) -> Result<String, Refusal> {
    match value.len() {
        0 => Err(Refusal::Query(format!("`{name}` is empty"))),
        1..=LONGEST_NAME => Ok(value.to_owned()),
        _ => Err(Refusal::Query(format!("`{name}` has more than {LONGEST_NAME} bytes"))),
    }
}

fn lifetime(value: &str) -> Result<Duration, Refusal> {
    match value.parse::<u32>() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds.into())),
        _ => Err(Refusal::Query(format!(
            "`lt` is a number of seconds from 1 to {}, not `{}`",
            u32::MAX,
            value.escape_debug()
        ))),
    }
}

fn base(value: &str) -> Result<Url, Refusal> {
    match Url::parse(value) {
        Ok(base) if base.has_host() => Ok(base),
        _ => Err(Refusal::Query(format!(
            "`base` is a URI such as coap://[2001:db8::1]:5683, not `{}`",
            value.escape_debug()
        ))),
    }
}
