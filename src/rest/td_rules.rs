//! What a Thing Description has to fulfil to be registered (TD 1.1, section 5.3 and Annex A).

use serde_json::{Map, Value as Json};

use super::problem::ValidationError;

/// All that is wrong with a description; empty when it is right.
pub(crate) fn violations(td: &Map<String, Json>) -> Vec<ValidationError> {
    let mut found = Violations(Vec::new());
    found.context(td.get("@context"));
    found.title(td.get("title"));
    found.security(td);
    for (kind, plural) in [("property", "properties"), ("action", "actions"), ("event", "events")] {
        found.affordances(kind, plural, td.get(plural));
    }
    if let Some(forms) = td.get("forms") {
        found.forms("forms", forms, true);
    }
    found.0
}

/// What is wrong with annotations that are laid over the description of a thing that devices
/// report; all else of such a registration is the gateway's to say.
pub(crate) fn annotation_violations(registered: &Map<String, Json>) -> Vec<ValidationError> {
    let mut found = Violations(Vec::new());
    found.texts("", registered);
    for plural in ["properties", "actions", "events"] {
        match registered.get(plural) {
            None => {}
            Some(Json::Object(affordances)) => {
                for (name, affordance) in affordances {
                    match affordance {
                        Json::Object(members) => found.texts(&format!("{plural}.{name}."), members),
                        _ => found.add(format!("{plural}.{name}"), "has to be an object"),
                    }
                }
            }
            Some(_) => found.add(plural, "has to be an object"),
        }
    }
    found.0
}

/// The types that a data schema knows (TD 1.1, section 5.3.2.1).
const TYPES: [&str; 7] = ["boolean", "integer", "number", "string", "object", "array", "null"];

struct Violations(Vec<ValidationError>);

impl Violations {
    fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(ValidationError { field: field.into(), description: description.into() });
    }

    fn texts(&mut self, field: &str, members: &Map<String, Json>) {
        for name in ["title", "description", "unit"] {
            if members.get(name).is_some_and(|text| !text.is_string()) {
                self.add(format!("{field}{name}"), "has to be a string");
            }
        }
    }

    fn data_schema(&mut self, field: &str, schema: &Map<String, Json>) {
        self.texts(&format!("{field}."), schema);
        if let Some(kind) = schema.get("type")
            && !kind.as_str().is_some_and(|kind| TYPES.contains(&kind))
        {
            self.add(format!("{field}.type"), format!("has to be one of {}", TYPES.join(", ")));
        }
        for name in ["readOnly", "writeOnly", "observable"] {
            if schema.get(name).is_some_and(|flag| !flag.is_boolean()) {
                self.add(format!("{field}.{name}"), "has to be true or false");
            }
        }
        for name in ["minimum", "maximum"] {
            if schema.get(name).is_some_and(|bound| !bound.is_number()) {
                self.add(format!("{field}.{name}"), "has to be a number");
            }
        }
        if schema.get("enum").is_some_and(|values| values.as_array().is_none_or(Vec::is_empty)) {
            self.add(format!("{field}.enum"), "has to be an array with at least one value");
        }
    }

    fn title(&mut self, title: Option<&Json>) {
        match title {
            Some(Json::String(_)) => {}
            Some(_) => self.add("title", "has to be a string"),
            None => self.add("title", "is required"),
        }
    }

    fn context(&mut self, context: Option<&Json>) {
        let is_td = |one: &Json| {
            one == "https://www.w3.org/2022/wot/td/v1.1"
                || one == "https://www.w3.org/2019/wot/td/v1"
        };
        let names_td = match context {
            Some(Json::Array(several)) => several.iter().any(is_td),
            Some(one) => is_td(one),
            None => false,
        };
        if !names_td {
            self.add("@context", "has to name `https://www.w3.org/2022/wot/td/v1.1`");
        }
    }

    fn security(&mut self, td: &Map<String, Json>) {
        let definitions = match td.get("securityDefinitions") {
            Some(Json::Object(definitions)) if !definitions.is_empty() => definitions,
            _ => {
                let example =
                    "is required: schemes by name, as {\"nosec_sc\":{\"scheme\":\"nosec\"}}";
                return self.add("securityDefinitions", example);
            }
        };
        for (name, definition) in definitions {
            if !definition.get("scheme").is_some_and(Json::is_string) {
                self.add(format!("securityDefinitions.{name}.scheme"), "is required: a string");
            }
        }
        let names = match td.get("security") {
            Some(Json::String(name)) => vec![Json::String(name.clone())],
            Some(Json::Array(names)) if !names.is_empty() => names.clone(),
            _ => return self.add("security", "is required: names from securityDefinitions"),
        };
        for name in names {
            if !name.as_str().is_some_and(|name| definitions.contains_key(name)) {
                self.add("security", format!("{name} is not among the securityDefinitions"));
            }
        }
    }

    fn affordances(&mut self, kind: &str, plural: &str, affordances: Option<&Json>) {
        let affordances = match affordances {
            None => return,
            Some(Json::Object(affordances)) => affordances,
            Some(_) => return self.add(plural, "has to be an object"),
        };
        for (name, affordance) in affordances {
            let field = format!("{plural}.{name}");
            match affordance.as_object() {
                Some(members) if kind == "property" => self.data_schema(&field, members),
                Some(members) => self.texts(&format!("{field}."), members),
                None => {}
            }
            match affordance.get("forms") {
                Some(forms) => self.forms(&format!("{field}.forms"), forms, false),
                None if affordance.is_object() => {
                    let what = format!("is required: how this {kind} is reached");
                    self.add(format!("{field}.forms"), what);
                }
                None => self.add(field, "has to be an object"),
            }
        }
    }

    fn forms(&mut self, field: &str, forms: &Json, of_the_thing: bool) {
        let Some(forms) = forms.as_array().filter(|forms| !forms.is_empty()) else {
            return self.add(field, "has to be an array with at least one form");
        };
        for (index, form) in forms.iter().enumerate() {
            if !form.get("href").is_some_and(Json::is_string) {
                self.add(format!("{field}.{index}.href"), "is required: a URI");
            }
            if of_the_thing && form.get("op").is_none() {
                self.add(format!("{field}.{index}.op"), "is required in forms of the thing itself");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(td: &Json) -> Vec<String> {
        violations(td.as_object().unwrap()).into_iter().map(|violation| violation.field).collect()
    }

    fn minimal() -> Json {
        json!({
            "@context": "https://www.w3.org/2022/wot/td/v1.1",
            "title": "Lamp",
            "securityDefinitions": { "nosec_sc": { "scheme": "nosec" } },
            "security": "nosec_sc",
        })
    }

    #[test]
    fn the_smallest_description_is_right() {
        assert_eq!(fields(&minimal()), [] as [&str; 0]);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        assert_eq!(fields(&json!({})), ["@context", "title", "securityDefinitions"]);
        let mut td = minimal();
        td["security"] = json!(["other"]);
        td["properties"] = json!({ "level": { "forms": [{}] }, "on": { "type": "boolean" } });
        td["forms"] = json!([{ "href": "/all" }]);
        assert_eq!(
            fields(&td),
            ["security", "properties.level.forms.0.href", "properties.on.forms", "forms.0.op"]
        );
    }
}
