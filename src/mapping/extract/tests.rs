//! No payload makes a rule panic, whatever the rule says.

use proptest::prelude::*;
use serde_json::json;
use smol_str::SmolStr;

use super::*;
use crate::mapping::PropertyRule;

const LIMITS: Limits = Limits { depth: 8, leaves: 50, name_bytes: 64 };

#[derive(Default)]
struct Seen(Vec<(String, Value)>);

impl Leaves for Seen {
    fn leaf(&mut self, path: &str, value: Value) {
        self.0.push((path.to_owned(), value));
    }

    fn whole(&mut self, value: Value) {
        self.0 = vec![(String::new(), value)];
    }

    fn restart(&mut self) {
        self.0.clear();
    }
}

fn rules() -> Vec<RuleConfig> {
    let layout = json!([
        { "name": "a", "offset": 0, "type": "i64", "bit": 60, "bits": 4 },
        { "name": "b", "offset": 2, "type": "f32", "scale": 1e300 },
        { "name": "c", "offset": 1, "type": "ascii" },
        { "name": "d", "offset": 0, "type": "hex", "length": 3 },
    ]);
    let convert = json!({
        "a": { "from": "/a/0", "scale": 1e-300, "offset": 5, "type": "integer" },
        "b": { "from": "$.b & 'x'", "on": 1, "off": "x" },
        "c": { "unit": "Cel", "unit_in_payload": "degF" },
    });
    [
        json!({ "topic": "a", "format": "json", "properties": convert }),
        json!({ "topic": "a", "format": "cbor", "time": "/t", "properties": convert }),
        json!({ "topic": "a", "format": "senml", "properties": convert }),
        json!({ "topic": "a", "format": "text", "decimal": ",", "properties": { "x": { "from": "$" } } }),
        json!({ "topic": "a", "format": "csv", "columns": ["a", "", "c"], "properties": convert }),
        json!({ "topic": "a", "format": "bytes", "layout": layout, "properties": convert }),
        json!({ "topic": "a", "transform": "{ 'a': a[0], 'keys': $keys($) }", "properties": convert }),
        json!({ "topic": "a", "properties": convert }),
    ]
    .into_iter()
    .map(|rule| serde_json::from_value(rule).unwrap())
    .collect()
}

fn read(bytes: &[u8]) {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    for content_type in [None, Some(SmolStr::new("application/json"))] {
        let payload = Payload { bytes: bytes.clone(), content_type };
        for rule in rules() {
            let mut seen = Seen::default();
            let Some(Ok(_)) = rule.read(&payload, &LIMITS, &mut seen) else { continue };
            for (path, value) in seen.0 {
                let property = rule.properties.get(&path);
                let taken = property.map(|property| property.take_in(value));
                if let (Some(property), Some(Ok(value))) = (property, taken) {
                    let _ = property.give_out(value);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_rule_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        read(&bytes);
    }

    #[test]
    fn no_text_makes_a_rule_panic(text in r#"[\[\]{}":,;.eab0-9+ \-\n]{0,40}"#) {
        read(text.as_bytes());
    }

    #[test]
    fn what_is_taken_in_can_be_given_out_again(
        number in -1e9_f64..1e9,
        scale in prop::sample::select(vec![0.001, 0.1, 1.0, 3.0, 60.0]),
        offset in prop::sample::select(vec![-40.0, 0.0, 0.5]),
    ) {
        let rule = PropertyRule { scale: Some(scale), offset: Some(offset), ..Default::default() };
        let sent = (number * 100.0).round() / 100.0;
        let shown = rule.take_in(Value::from_f64(sent).unwrap()).unwrap();
        let Ok(Value::Number(back)) = rule.give_out(shown) else { panic!("no number") };
        prop_assert!((back.as_f64() - sent).abs() <= 1e-6, "{} is not {}", back.as_str(), sent);
    }
}

#[test]
fn what_a_source_takes_is_no_property_of_its_own() {
    let rule: RuleConfig = serde_json::from_value(json!({
        "topic": "a",
        "time": "/meta/at",
        "properties": { "t": { "from": "/values/0/t" }, "x": { "from": "/x" } },
    }))
    .unwrap();
    let bytes = br#"{"meta":{"at":1700000000,"id":7},"values":[{"t":21.50}],"xy":1}"#;
    let payload = Payload { bytes: bytes.as_slice().into(), content_type: None };
    let mut seen = Seen::default();
    rule.read(&payload, &LIMITS, &mut seen).unwrap().unwrap();
    let seen: Vec<String> =
        seen.0.iter().map(|(path, value)| format!("{path}={}", value.to_json())).collect();
    assert_eq!(seen, ["meta.id=7", "xy=1", "t=21.50"]);
}
