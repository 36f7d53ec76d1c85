use super::Link;

/// One condition of a query (RFC 6690, section 4.1): `rt=temperature`, `href=/sensors/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    name: String,
    pattern: Option<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Is(String),
    BeginsWith(String),
}

/// The attributes that are lists divided by spaces, of which one member has to match.
const LISTS: [&str; 5] = ["rt", "if", "rel", "rev", "ct"];

impl Filter {
    /// From one argument of a query, already percent-decoded as Uri-Query options are. Without a
    /// `=` it asks only that the attribute be there.
    #[must_use]
    pub fn parse(argument: &str) -> Self {
        let Some((name, pattern)) = argument.split_once('=') else {
            return Self { name: argument.to_owned(), pattern: None };
        };
        let pattern = match pattern.strip_suffix('*') {
            Some(beginning) => Pattern::BeginsWith(beginning.to_owned()),
            None => Pattern::Is(pattern.to_owned()),
        };
        Self { name: name.to_owned(), pattern: Some(pattern) }
    }

    /// The attribute that it asks for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a link fulfils it.
    #[must_use]
    pub fn matches(&self, link: &Link) -> bool {
        if self.name == "href" {
            return self.admits(&link.target);
        }
        match (link.attribute(&self.name), &self.pattern) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(attribute), Some(_)) => {
                self.admits_attribute(attribute.value.as_deref().unwrap_or_default())
            }
        }
    }

    /// Whether the attribute may have this value.
    #[must_use]
    pub fn admits_attribute(&self, value: &str) -> bool {
        let members = LISTS.contains(&self.name.as_str());
        self.admits(value)
            || members && value.split_ascii_whitespace().any(|member| self.admits(member))
    }

    fn admits(&self, value: &str) -> bool {
        match &self.pattern {
            None => true,
            Some(Pattern::Is(whole)) => value == whole,
            Some(Pattern::BeginsWith(beginning)) => value.starts_with(beginning),
        }
    }
}
