use super::{Attribute, Limits, Link};

/// Why a document is no link format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkFormatError {
    /// See [`Limits::bytes`].
    #[error("{0} bytes of link format, more than the limit of {1}")]
    TooLong(usize, usize),
    /// See [`Limits::links`].
    #[error("more than {0} links")]
    TooManyLinks(usize),
    /// See [`Limits::attributes`].
    #[error("more than {0} attributes of one link")]
    TooManyAttributes(usize),
    /// Link format is UTF-8 (RFC 6690, section 2).
    #[error("not UTF-8 from byte {0} on")]
    NotText(usize),
    /// What was expected, and at which byte.
    #[error("expected {0} at byte {1}")]
    Expected(&'static str, usize),
}

/// Reads a document.
///
/// # Errors
/// When it passes a limit or is no link format.
pub fn parse(document: &[u8], limits: &Limits) -> Result<Vec<Link>, LinkFormatError> {
    if document.len() > limits.bytes {
        return Err(LinkFormatError::TooLong(document.len(), limits.bytes));
    }
    let text = std::str::from_utf8(document)
        .map_err(|error| LinkFormatError::NotText(error.valid_up_to()))?;
    let mut parser = Parser { text, at: 0 };
    let mut links = Vec::new();
    loop {
        // An empty list element means nothing (RFC 9110, section 5.6.1.2).
        while parser.takes(',') {}
        if parser.is_at_end() {
            return Ok(links);
        }
        if links.len() == limits.links {
            return Err(LinkFormatError::TooManyLinks(limits.links));
        }
        links.push(parser.link(limits)?);
        if !parser.is_at_end() && !parser.takes(',') {
            return Err(parser.expected("`,` or `;`"));
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn link(&mut self, limits: &Limits) -> Result<Link, LinkFormatError> {
        if !self.takes('<') {
            return Err(self.expected("`<`"));
        }
        let target = self.until(|c| matches!(c, '<' | '>')).trim().to_owned();
        if !self.takes('>') {
            return Err(self.expected("`>`"));
        }
        let mut attributes = Vec::new();
        while self.takes(';') {
            // A `;` with nothing behind it says nothing.
            if self.is_at_end() || self.text[self.at..].starts_with([';', ',']) {
                continue;
            }
            if attributes.len() == limits.attributes {
                return Err(LinkFormatError::TooManyAttributes(limits.attributes));
            }
            attributes.push(self.attribute()?);
        }
        Ok(Link { target, attributes })
    }

    fn attribute(&mut self) -> Result<Attribute, LinkFormatError> {
        self.skip_space();
        let name = self.until(|c| "=;,\"<> \t\r\n".contains(c)).to_owned();
        if name.is_empty() {
            return Err(self.expected("the name of an attribute"));
        }
        let value = match self.takes('=') {
            true => Some(self.attribute_value()?),
            false => None,
        };
        Ok(Attribute { name, value })
    }

    fn attribute_value(&mut self) -> Result<String, LinkFormatError> {
        if self.takes('"') {
            return self.quoted();
        }
        self.skip_space();
        let value = self.until(|c| ";,\"".contains(c)).trim_end();
        if value.is_empty() || self.text[self.at..].starts_with('"') {
            return Err(self.expected("a value"));
        }
        Ok(value.to_owned())
    }

    /// The rest of a quoted string (RFC 9110, section 5.6.4).
    fn quoted(&mut self) -> Result<String, LinkFormatError> {
        let mut value = String::new();
        let mut escaped = false;
        for (offset, c) in self.text[self.at..].char_indices() {
            match c {
                _ if std::mem::take(&mut escaped) => value.push(c),
                '\\' => escaped = true,
                '"' => {
                    self.at += offset + 1;
                    return Ok(value);
                }
                _ => value.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.expected("`\"`"))
    }

    fn until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let taken = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Passes over white space and this character, if it is next.
    fn takes(&mut self, c: char) -> bool {
        self.skip_space();
        let takes = self.text[self.at..].starts_with(c);
        self.at += if takes { c.len_utf8() } else { 0 };
        takes
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.at == self.text.len()
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn expected(&self, what: &'static str) -> LinkFormatError {
        LinkFormatError::Expected(what, self.at)
    }
}
