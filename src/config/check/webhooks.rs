use super::super::sections::Entry;
use super::super::tree::Step;
use super::Checks;
use crate::push::webhook::{DeliveryConfig, Network, Secret, WebhookConfig};

pub(super) fn check(webhooks: &[Entry<WebhookConfig>], checks: &mut Checks<'_>) {
    checks.names("webhooks", webhooks.iter().map(|w| (w.index, w.value.name.as_str())));
    for Entry { index, value } in webhooks {
        let path = |key: &str| ["webhooks".into(), (*index).into(), Step::from(key)];
        if !matches!(value.url.scheme(), "http" | "https") {
            let reason = format!("`{}://` can't be delivered to", value.url.scheme());
            checks.refuse(&path("url"), &reason, "write an http:// or https:// URL");
        }
        if !value.url.username().is_empty() || value.url.password().is_some() {
            let help = "leave them out: receivers know the gateway by its signature (`secret`)";
            checks.refuse(&path("url"), "it may not hold user and password", help);
        }
        if value.secret.as_deref().is_some_and(|secret| Secret::parse(secret).is_err()) {
            let help = "write `whsec_` and 24 to 64 bytes in base64, as this prints: \
                        echo whsec_$(openssl rand -base64 32)";
            checks.refuse(&path("secret"), "this is no Standard Webhooks secret", help);
        }
    }
}

pub(super) fn check_delivery(delivery: &DeliveryConfig, checks: &mut Checks<'_>) {
    checks.positive(
        "delivery",
        &[
            ("timeout_seconds", delivery.timeout_seconds == 0),
            ("concurrency", delivery.concurrency == 0),
            ("first_retry_milliseconds", delivery.first_retry_milliseconds == 0),
            ("longest_retry_seconds", delivery.longest_retry_seconds == 0),
            ("give_up_seconds", delivery.give_up_seconds == 0),
        ],
    );
    for (index, network) in delivery.denied_networks.iter().enumerate() {
        if network.parse::<Network>().is_err() {
            let path = ["delivery".into(), "denied_networks".into(), index.into()];
            let help = "write address and prefix length, as in \"10.0.0.0/8\" or \"fd00::/8\"";
            checks.refuse(&path, &format!("`{network}` is no network"), help);
        }
    }
}
