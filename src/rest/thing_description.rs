//! Thing Descriptions (W3C WoT TD 1.1), derived on demand. For a thing that devices report: what
//! the gateway knows, with forms that point at this gateway, and registered annotations over it.
//! For any other thing: what was registered.

use serde_json::{Map, Value as Json, json};
use thingway_sdk::Subject;
use thingway_sdk::model::Kinds;

use super::base::{Base, segment};
use crate::log::Property;
use crate::mapping::{PropertyRule, ipso_path};
use crate::registry::{Action, EventSource, Slot, Thing, ThingView};

const TD_CONTEXT: &str = "https://www.w3.org/2022/wot/td/v1.1";
const DISCOVERY_CONTEXT: &str = "https://www.w3.org/2022/wot/discovery";
/// Prefixes of terms that are none of the above, with what they stand for. LwM2M has no vocabulary
/// of RDF; below this address its registry keeps the objects' definitions, `3303.xml` and so on.
const PREFIXES: [(&str, &str); 2] = [
    ("schema", "https://schema.org/"),
    ("lwm2m", "http://www.openmobilealliance.org/tech/profiles/lwm2m/"),
];
/// What the maker calls this one device.
const DEVICE_ID: &str = "schema:serialNumber";
/// What a property is to LwM2M: an object and a resource of it.
const OBJECT: &str = "lwm2m:object";
const RESOURCE: &str = "lwm2m:resource";

/// The description of a thing, for a requester who reaches the gateway at `base`.
pub(crate) fn describe(thing: &Thing, base: &Base) -> Json {
    let view = thing.view();
    let mut td = match view.description.as_deref() {
        Some(registered) if !view.is_reported() => registered.clone(),
        Some(registered) => overlaid(derived(&view, base), registered),
        None => derived(&view, base),
    };
    td.insert("id".into(), json!(view.id));
    let context = context(&td);
    td.insert("@context".into(), context);
    let registration = json!({ "created": view.created, "modified": view.modified });
    td.insert("registration".into(), registration);
    Json::Object(td)
}

/// The contexts that the description needs, with those that were registered behind them.
fn context(td: &Map<String, Json>) -> Json {
    let mut contexts = vec![json!(TD_CONTEXT), json!(DISCOVERY_CONTEXT)];
    let has_path = |property: &Json| property.get(OBJECT).is_some();
    let properties = td.get("properties").and_then(Json::as_object);
    let has_paths = properties.is_some_and(|all| all.values().any(has_path));
    let used = [td.contains_key(DEVICE_ID), has_paths];
    let prefixes = PREFIXES.iter().zip(used).filter(|(_, used)| *used);
    let prefixes: Map<_, _> =
        prefixes.map(|((prefix, meaning), _)| ((*prefix).to_owned(), json!(meaning))).collect();
    if !prefixes.is_empty() {
        contexts.push(Json::Object(prefixes));
    }
    let others = match td.get("@context") {
        Some(Json::Array(several)) => several.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    // A description that was made for TD 1.0 is served as one of TD 1.1, which it also is.
    let here = [TD_CONTEXT, DISCOVERY_CONTEXT, "https://www.w3.org/2019/wot/td/v1"];
    contexts.extend(others.into_iter().filter(|c| !here.iter().any(|here| c == here)));
    contexts.into()
}

fn derived(view: &ThingView, base: &Base) -> Map<String, Json> {
    let mut td = Map::new();
    let rule = view.rule.as_deref();
    let title = rule.and_then(|rule| rule.title.as_deref()).unwrap_or_else(|| view.id.name());
    td.insert("title".into(), json!(title));
    add_types(&mut td, rule.and_then(|rule| rule.semantic_type.as_deref()));
    if let Some(text) = rule.and_then(|rule| rule.description.as_deref()) {
        td.insert("description".into(), json!(text));
    }
    if let Some(id) = rule.and_then(|rule| rule.convention.as_ref()?.device_id.as_deref()) {
        td.insert(DEVICE_ID.into(), json!(id));
    }
    td.insert("securityDefinitions".into(), json!({ "nosec_sc": { "scheme": "nosec" } }));
    td.insert("security".into(), json!(["nosec_sc"]));
    let thing = base.url(&format!("/things/{}", segment(view.id.name())));
    let named = |slot: &Slot| (slot.property.name.to_string(), property(slot, &thing, base));
    td.insert("properties".into(), Json::Object(view.slots.iter().map(named).collect()));
    if !view.events.is_empty() {
        let named = |one: &EventSource| (one.name.to_string(), event(one, &thing, base));
        td.insert("events".into(), Json::Object(view.events.iter().map(named).collect()));
    }
    if !view.actions.is_empty() {
        let named = |one: &Action| (one.name.to_string(), action(one, &thing, base));
        td.insert("actions".into(), Json::Object(view.actions.iter().map(named).collect()));
    }
    td.insert("forms".into(), thing_forms(&thing, base));
    td
}

fn property(slot: &Slot, thing: &str, base: &Base) -> Json {
    let rule = slot.property.rule.as_deref();
    let declared = rule.and_then(|rule| rule.declared_type());
    let mut affordance = match declared {
        Some(declared) => Map::from_iter([("type".to_owned(), json!(declared))]),
        None => slot.kinds.schema(),
    };
    if let Some(rule) = rule {
        add_rule(&mut affordance, rule);
    }
    add_names(&mut affordance, slot.property.title(), slot.property.semantic_type());
    if let Some(unit) = slot.property.unit() {
        affordance.insert("unit".into(), json!(unit));
    }
    let kinds = declared.and_then(Kinds::named).unwrap_or(slot.kinds);
    let is_writable = slot.property.write.is_some();
    let Property { name, .. } = &*slot.property;
    if let Some(path) = ipso_path(name, slot.property.unit(), kinds, is_writable) {
        affordance.insert(OBJECT.into(), json!(path.object));
        affordance.insert(RESOURCE.into(), json!(path.resource));
    }
    affordance.insert("readOnly".into(), json!(!is_writable));
    affordance.insert("observable".into(), json!(true));
    affordance.insert("forms".into(), property_forms(&slot.property, thing, base));
    Json::Object(affordance)
}

/// Several types stand in one attribute of a link, with blanks between (RFC 6690, section 3.1).
fn add_names(affordance: &mut Map<String, Json>, title: Option<&str>, types: Option<&str>) {
    if let Some(title) = title {
        affordance.insert("title".into(), json!(title));
    }
    add_types(affordance, types);
}

fn add_types(described: &mut Map<String, Json>, types: Option<&str>) {
    let types: Vec<&str> = types.iter().flat_map(|types| types.split_whitespace()).collect();
    match types[..] {
        [] => {}
        [one] => drop(described.insert("@type".into(), json!(one))),
        _ => drop(described.insert("@type".into(), json!(types))),
    }
}

fn add_rule(affordance: &mut Map<String, Json>, rule: &PropertyRule) {
    let members = [
        ("description", rule.description.as_ref().map(|text| json!(text))),
        ("minimum", rule.minimum.map(|least| json!(least))),
        ("maximum", rule.maximum.map(|most| json!(most))),
        ("multipleOf", rule.multiple_of.map(|step| json!(step))),
        ("enum", rule.allowed.as_ref().map(|allowed| json!(allowed))),
    ];
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    affordance.extend(given);
}

fn action(action: &Action, thing: &str, base: &Base) -> Json {
    let mut affordance = Map::new();
    let Subject { title, semantic_type, .. } = &*action.subject;
    add_names(&mut affordance, title.as_deref(), semantic_type.as_deref());
    let href = format!("{thing}/actions/{}", segment(&action.name));
    let operations = ["invokeaction"];
    let forms = json!([
        { "href": href, "op": operations, "contentType": "application/json" },
        {
            "href": base.socket_url("/ws"),
            "op": operations,
            "subprotocol": "webthingprotocol",
            "contentType": "application/json",
        },
    ]);
    affordance.insert("forms".into(), forms);
    Json::Object(affordance)
}

fn event(event: &EventSource, thing: &str, base: &Base) -> Json {
    json!({ "data": event.kinds.schema(), "forms": event_forms(event, thing, base) })
}

/// Lays what was registered over what is derived. What only the gateway can know stays: which
/// affordances there are, how they are reached and secured.
fn overlaid(mut td: Map<String, Json>, registered: &Map<String, Json>) -> Map<String, Json> {
    const GATEWAYS_OWN: [&str; 6] =
        ["id", "base", "forms", "security", "securityDefinitions", "registration"];
    for (name, value) in registered {
        match name.as_str() {
            "properties" | "events" | "actions" => {
                if let (Some(Json::Object(own)), Json::Object(theirs)) = (td.get_mut(name), value) {
                    overlay_affordances(own, theirs);
                }
            }
            own if GATEWAYS_OWN.contains(&own) => {}
            _ => {
                td.insert(name.clone(), value.clone());
            }
        }
    }
    td
}

fn overlay_affordances(own: &mut Map<String, Json>, theirs: &Map<String, Json>) {
    // Annotations only: what a property can be and do is the device's to show.
    let annotates = |name: &str| {
        ["@type", "title", "titles", "description", "descriptions", "unit"].contains(&name)
            || name.contains(':')
    };
    for (name, affordance) in theirs {
        if let (Some(Json::Object(own)), Json::Object(theirs)) = (own.get_mut(name), affordance) {
            let members = theirs.iter().filter(|(name, _)| annotates(name));
            own.extend(members.map(|(name, value)| (name.clone(), value.clone())));
        }
    }
}

/// The unnamed stream comes before the named one: a client that hears only unnamed events takes
/// the first form that it understands.
fn property_forms(property: &Property, thing: &str, base: &Base) -> Json {
    let href = format!("{thing}/properties/{}", segment(&property.name));
    let operations = match property.write {
        Some(_) => json!(["readproperty", "writeproperty"]),
        None => json!(["readproperty"]),
    };
    let mut forms =
        vec![json!({ "href": href, "op": operations, "contentType": "application/json" })];
    forms.extend(push_forms(&href, &["observeproperty", "unobserveproperty"], base));
    forms.into()
}

fn event_forms(event: &EventSource, thing: &str, base: &Base) -> Json {
    let href = format!("{thing}/events/{}", segment(&event.name));
    push_forms(&href, &["subscribeevent", "unsubscribeevent"], base).to_vec().into()
}

fn push_forms(href: &str, operations: &[&str; 2], base: &Base) -> [Json; 3] {
    let form = |href: String, subprotocol: &str| {
        json!({
            "href": href,
            "op": operations,
            "subprotocol": subprotocol,
            "contentType": "application/json",
        })
    };
    [
        form(format!("{href}?event=message"), "sse"),
        form(href.to_owned(), "sse"),
        form(base.socket_url("/ws"), "webthingprotocol"),
    ]
}

fn thing_forms(thing: &str, base: &Base) -> Json {
    let href = format!("{thing}/properties");
    let observe = ["observeallproperties", "unobserveallproperties"];
    json!([
        { "href": href, "op": "readallproperties", "contentType": "application/json" },
        { "href": href, "op": observe, "subprotocol": "sse", "contentType": "application/json" },
        {
            "href": base.socket_url("/ws"),
            "op": ["readallproperties", "readmultipleproperties", observe[0], observe[1]],
            "subprotocol": "webthingprotocol",
            "contentType": "application/json",
        },
    ])
}
