use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::sections::Entry;
use super::super::tree::Step;
use super::Checks;
use crate::push::webhook::{DeliveryConfig, WebhookConfig};

pub(super) fn check(webhooks: &[Entry<WebhookConfig>], checks: &mut Checks<'_>) {
    checks.names("webhooks", webhooks.iter().map(|w| (w.index, w.value.name.as_str())));
    for Entry { index, value } in webhooks {
        let path = |key: &str| ["webhooks".into(), (*index).into(), Step::from(key)];
        if !matches!(value.url.scheme(), "http" | "https") {
            let reason = format!("`{}://` can't be delivered to", value.url.scheme());
            checks.refuse(&path("url"), &reason, "write an http:// or https:// URL");
        }
        if !value.secret.as_deref().is_none_or(is_secret) {
            let help = "write `whsec_` and 24 to 64 bytes in base64: \
                        echo whsec_$(openssl rand -base64 32)";
            checks.refuse(&path("secret"), "this is no Standard Webhooks secret", help);
        }
    }
}

fn is_secret(text: &str) -> bool {
    text.strip_prefix("whsec_")
        .and_then(|key| STANDARD.decode(key).ok())
        .is_some_and(|key| (24..=64).contains(&key.len()))
}

pub(super) fn check_delivery(delivery: &DeliveryConfig, checks: &mut Checks<'_>) {
    checks.positive(
        "delivery",
        &[
            ("timeout_seconds", delivery.timeout_seconds == 0),
            ("first_retry_milliseconds", delivery.first_retry_milliseconds == 0),
            ("longest_retry_seconds", delivery.longest_retry_seconds == 0),
            ("give_up_seconds", delivery.give_up_seconds == 0),
        ],
    );
    for (index, network) in delivery.denied_networks.iter().enumerate() {
        if !is_network(network) {
            let path = ["delivery".into(), "denied_networks".into(), index.into()];
            let help = "write address and prefix length, as in \"10.0.0.0/8\" or \"fd00::/8\"";
            checks.refuse(&path, &format!("`{network}` is no network"), help);
        }
    }
}

fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    match (address.parse(), length.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(length)) => length <= 32,
        (Ok(IpAddr::V6(_)), Ok(length)) => length <= 128,
        _ => false,
    }
}
