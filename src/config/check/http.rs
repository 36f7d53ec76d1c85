use url::{Origin, Url};

use super::Checks;
use crate::rest::HttpConfig;

pub(super) fn check(http: &HttpConfig, checks: &mut Checks<'_>) {
    checks.positive(
        "http",
        &[
            ("max_body_bytes", http.max_body_bytes == 0),
            ("command_deadline_seconds", http.command_deadline_seconds == 0),
            ("request_head_seconds", http.request_head_seconds == 0),
            ("heartbeat_seconds", http.heartbeat_seconds == 0),
        ],
    );
    if !http.listen.ip().is_loopback() && !http.allow_anonymous {
        let reason = format!("everybody who reaches {} could read and write", http.listen);
        let help = "listen on 127.0.0.1 behind a proxy that asks who it is, or allow it with \
                    --allow-anonymous (http.allow_anonymous = true)";
        checks.refuse(&["http".into(), "listen".into()], &reason, help);
    }
    if http.write_wait_seconds > http.command_deadline_seconds {
        let reason = "a write can't be waited for longer than command_deadline_seconds";
        let path = ["http".into(), "write_wait_seconds".into()];
        let help = format!("write {} or less", http.command_deadline_seconds);
        checks.refuse(&path, reason, help);
    }
    for (index, origin) in http.cors_origins.iter().enumerate().filter(|(_, o)| !is_origin(o)) {
        let path = ["http".into(), "cors_origins".into(), index.into()];
        let help = "write scheme and host without a path, as in \"https://app.example\", or \"*\"";
        checks.refuse(&path, &format!("`{origin}` is no web origin"), help);
    }
}

fn is_origin(text: &str) -> bool {
    let tuple = |url: &Url| match url.origin() {
        origin @ Origin::Tuple(..) => Some(origin.ascii_serialization()),
        Origin::Opaque(_) => None,
    };
    text == "*" || Url::parse(text).ok().as_ref().and_then(tuple).is_some_and(|o| o == text)
}
