use std::borrow::Borrow;

use super::{Attribute, Link};

/// Writes links as one document.
#[must_use]
pub fn write<L: Borrow<Link>>(links: impl IntoIterator<Item = L>) -> String {
    let mut out = String::new();
    for link in links {
        let link: &Link = link.borrow();
        if !out.is_empty() {
            out.push(',');
        }
        out.push('<');
        for c in link.target.chars() {
            match c {
                // Neither may stand in a URI; left as they are, they would end this one.
                '<' => out.push_str("%3C"),
                '>' => out.push_str("%3E"),
                _ => out.push(c),
            }
        }
        out.push('>');
        link.attributes.iter().for_each(|attribute| write_attribute(attribute, &mut out));
    }
    out
}

fn write_attribute(attribute: &Attribute, out: &mut String) {
    out.push(';');
    out.push_str(&attribute.name);
    let Some(value) = &attribute.value else { return };
    out.push('=');
    if is_bare(attribute, value) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Numbers, as in `ct=40`, and extended values, which may not be quoted (RFC 8187, section 3.2).
fn is_bare(attribute: &Attribute, value: &str) -> bool {
    let number = value.bytes().all(|byte| byte.is_ascii_digit());
    let extended = attribute.name.ends_with('*')
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&+-^_`{}~.%'".contains(&byte));
    !value.is_empty() && (number || extended)
}
