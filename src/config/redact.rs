//! Keeps passwords out of reports, which end up in the logs of containers.

/// The same text, of the same length, with what may be a secret in it starred out.
pub(super) fn redact(text: &str) -> String {
    hide_values(&hide_userinfo(text))
}

pub(super) fn is_secret(key: &str) -> bool {
    matches!(key, "password" | "secret")
}

/// What stands between `://` and `@`.
fn hide_userinfo(text: &str) -> String {
    let Some((start, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.find(['/', '?', '#', '"', '\'']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{start}://{}{}", stars(&rest[..at]), hide_userinfo(&rest[at..])),
        None => format!("{start}://{}", hide_userinfo(rest)),
    }
}

/// What stands behind `password =` or `secret =`.
fn hide_values(line: &str) -> String {
    let value = ["password", "secret"].iter().filter_map(|key| {
        let after = line.find(key)? + key.len();
        let equals = after + line[after..].find('=')?;
        line[after..equals].trim().is_empty().then_some(equals + 1)
    });
    match value.min() {
        Some(start) => format!("{}{}", &line[..start], stars(&line[start..])),
        None => line.to_owned(),
    }
}

fn stars(text: &str) -> String {
    text.chars().map(|c| if c == ' ' { ' ' } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_starred_out_and_the_rest_stays() {
        for (line, shown) in [
            ("url = \"mqtt://me:pa@ss@host:1\" # x@y", "url = \"mqtt://********@host:1\" # x@y"),
            ("password = \"pa\"", "password = ****"),
            ("password_file = \"/run/x\"", "password_file = \"/run/x\""),
            ("url = \"http://host/a@b\"", "url = \"http://host/a@b\""),
        ] {
            assert_eq!(redact(line), shown);
        }
    }
}
