use bytes::Bytes;
use proptest::prelude::*;
use smol_str::SmolStr;

use super::*;
use crate::adapter::Payload;
use crate::codec::{Decoded, decode};

const LIMITS: Limits = Limits { depth: 8, leaves: 100, name_bytes: 128 };

#[derive(Default)]
struct Seen(Vec<String>);

impl Leaves for Seen {
    fn leaf(&mut self, path: &str, value: Value) {
        self.measured(path, value, Measured::default());
    }
    fn measured(&mut self, path: &str, value: Value, measured: Measured<'_>) {
        let time = match measured.time {
            Some(MeasuredAt::Time(time)) => format!(" @{time}"),
            Some(MeasuredAt::FromReceipt(micros)) => format!(" @{micros:+}us"),
            None => String::new(),
        };
        let unit = measured.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        self.0.push(format!("{path}={}{unit}{time}", value.to_json()));
    }
    fn whole(&mut self, _: Value) {
        unreachable!("a pack has names");
    }
    fn restart(&mut self) {
        unreachable!("a pack is read once");
    }
}

fn read(bytes: &[u8], media_type: &str) -> Result<(Vec<String>, Decoded), DecodeError> {
    let content_type = Some(SmolStr::new(media_type));
    let payload = Payload { bytes: Bytes::copy_from_slice(bytes), content_type };
    let mut seen = Seen::default();
    decode(&payload, &LIMITS, &mut seen).map(|decoded| (seen.0, decoded))
}

fn json(pack: &str) -> Vec<String> {
    read(pack.as_bytes(), "application/senml+json").unwrap().0
}

fn refused(pack: &str) -> String {
    read(pack.as_bytes(), "application/senml+json").unwrap_err().to_string()
}

fn cbor(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn a_single_point_as_in_rfc_8428_section_5_1_1() {
    let pack = r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#;
    assert_eq!(json(pack), ["urn:dev:ow:10e2073a01080063=23.1 Cel"]);
}

#[test]
fn multiple_points_as_in_rfc_8428_section_5_1_2() {
    let pack = r#"[
        {"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
        {"n":"current","u":"A","v":1.2}
    ]"#;
    assert_eq!(json(pack), ["voltage=120.1 V", "current=1.2 A"]);
    let pack = r#"[
        {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,
         "n":"voltage","u":"V","v":120.1},
        {"n":"current","t":-5,"v":1.2},
        {"n":"current","t":-4,"v":1.3},
        {"n":"current","v":1.7}
    ]"#;
    assert_eq!(
        json(pack),
        [
            "current=1.2 A @2010-06-08T18:01:11.001Z",
            "current=1.3 A @2010-06-08T18:01:12.001Z",
            "voltage=120.1 V @2010-06-08T18:01:16.001Z",
            "current=1.7 A @2010-06-08T18:01:16.001Z",
        ]
    );
}

#[test]
fn several_quantities_of_one_name_as_in_rfc_8428_section_5_1_3() {
    let pack = r#"[
        {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},
        {"u":"lon","v":24.30621},
        {"u":"lat","v":60.07965},
        {"t":60,"v":20.3},
        {"u":"lon","t":60,"v":24.30622}
    ]"#;
    assert_eq!(
        json(pack),
        [
            "urn:dev:ow:10e2073a01080063.%RH=20 %RH @2011-10-31T13:24:24Z",
            "urn:dev:ow:10e2073a01080063.lon=24.30621 lon @2011-10-31T13:24:24Z",
            "urn:dev:ow:10e2073a01080063.lat=60.07965 lat @2011-10-31T13:24:24Z",
            "urn:dev:ow:10e2073a01080063.%RH=20.3 %RH @2011-10-31T13:25:24Z",
            "urn:dev:ow:10e2073a01080063.lon=24.30622 lon @2011-10-31T13:25:24Z",
        ]
    );
}

#[test]
fn different_data_types_as_in_rfc_8428_section_5_1_5() {
    let pack = r#"[
        {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
        {"n":"label","vs":"Machine Room"},
        {"n":"open","vb":false},
        {"n":"nfv","vd":"aGkgCg"}
    ]"#;
    let expected = ["temp=23.1 Cel", r#"label="Machine Room""#, "open=false", r#"nfv="aGkgCg==""#];
    assert_eq!(json(pack), expected);
}

#[test]
fn the_cbor_of_rfc_8428_section_6() {
    let pack = cbor(
        "87a7 21781b75726e3a6465763a6f773a3130653230373361303130383030363a
              22fb41d303a15b001062 236141 2005 0067766f6c74616765 016156 02fb405e066666666666
           a3 006763757272656e74 0624 02fb3ff3333333333333
           a3 006763757272656e74 0623 02fb3ff4cccccccccccd
           a3 006763757272656e74 0622 02fb3ff6666666666666
           a3 006763757272656e74 0621 02f93e00
           a3 006763757272656e74 0620 02fb3ff999999999999a
           a3 006763757272656e74 0600 02fb3ffb333333333333",
    );
    let (seen, decoded) = read(&pack, "application/senml+cbor").unwrap();
    assert_eq!(decoded.encoding.as_str(), "senml+cbor");
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[0], "current=1.2 A @2010-06-08T18:01:11.001Z");
    assert!(seen.contains(&"voltage=120.1 V @2010-06-08T18:01:16.001Z".to_owned()));
}

#[test]
fn base_fields_are_resolved_and_digits_kept() {
    let pack = r#"[
        {"bn":"dev1/","bv":20,"bs":100,"n":"a","v":1.50,"s":0.1},
        {"bv":0.1,"n":"b","v":0.2},
        {"n":"c","vs":"x"},
        {"n":"d"}
    ]"#;
    assert_eq!(json(pack), ["a=21.50", "a.sum=100.1", "b=0.3", "c=\"x\"", "d=0.1", "d.sum=100"]);
    assert_eq!(json(r#"[{"n":"a","v":9007199254740993.10}]"#), ["a=9007199254740993.10"]);
}

#[test]
fn a_base_name_is_cut_only_when_it_is_that_of_all() {
    let two = r#"[{"bn":"a:","n":"t","v":1},{"bn":"b:","n":"t","v":2}]"#;
    assert_eq!(json(two), ["a:t=1", "b:t=2"]);
    let lwm2m = r#"[{"bn":"/3303/0/","n":"5700","u":"Cel","v":20.5},{"n":"5601","v":18}]"#;
    assert_eq!(json(lwm2m), ["5700=20.5 Cel", "5601=18"]);
    assert_eq!(json(r#"[{"bn":"/3303/0/5700","v":1}]"#), ["3303/0/5700=1"]);
}

#[test]
fn times_are_absolute_or_relative_to_the_receipt() {
    assert_eq!(json(r#"[{"n":"a","v":1,"t":-2.5}]"#), ["a=1 @-2500000us"]);
    assert_eq!(json(r#"[{"n":"a","v":1,"t":0}]"#), ["a=1"]);
    let mixed = r#"[{"n":"a","v":2},{"n":"a","v":1,"t":-10}]"#;
    assert_eq!(json(mixed), ["a=1 @-10000000us", "a=2 @+0us"]);
    let odd = br#"[{"n":"a","v":1,"t":300000000}]"#;
    let (seen, decoded) = read(odd, "application/senml+json").unwrap();
    assert_eq!(seen, ["a=1"]);
    assert!(decoded.note.unwrap().contains("not believed"));
}

#[test]
fn what_is_wrong_is_said() {
    for (pack, says) in [
        (r#"[{"n":"a","v":1,"bver":11}]"#, "version 11"),
        (r#"[{"n":"a","v":1,"risk_":true}]"#, "`risk_` must be understood"),
        (r#"[{"v":1}]"#, "record 0: it has no name"),
        (r#"[{"n":"a","v":1},{"n":"b"}]"#, "record 1: it has no value"),
        (r#"[{"n":"a b","v":1}]"#, "its name has a ` `"),
        (r#"[{"n":"_a","v":1}]"#, "begins with `_`"),
        (r#"[{"n":"a","v":"1"}]"#, "`v` must be a number"),
        (r#"[{"n":"a","vb":1}]"#, "`vb` must be a boolean"),
        (r#"[{"n":"a","vd":"*"}]"#, "`vd` must be base64url"),
        (r#"[{"n":"a","v":1,"vs":"x"}]"#, "`vs` stands beside another value"),
        (r#"[{"n":"a","t":1e999,"v":1}]"#, "`t` is beyond"),
        (r#"{"n":"a","v":1}"#, "an array of records"),
        (r#"[{"n":"a","v":1}"#, "EOF"),
        (r#"[{"n":"a","v":1}] x"#, "trailing"),
    ] {
        let said = refused(pack);
        assert!(said.contains(says), "{pack}: {said}");
    }
    assert_eq!(json(r#"[{"n":"a","v":1,"x":{"y":[1]},"ut":5}]"#), ["a=1"]);
    assert_eq!(json("[]"), [""; 0]);
}

#[test]
fn limits_hold() {
    let many = format!("[{}]", vec![r#"{"n":"a","v":1}"#; 101].join(","));
    assert_eq!(
        read(many.as_bytes(), "application/senml+json").unwrap_err(),
        DecodeError::TooManyLeaves(100)
    );
    let mut many = vec![0x98, 101];
    many.extend(cbor("a200616102 01").repeat(101));
    assert_eq!(read(&many, "application/senml+cbor").unwrap_err(), DecodeError::TooManyLeaves(100));
    let long = format!(r#"[{{"n":"{}","v":1}}]"#, "n".repeat(129));
    assert_eq!(
        read(long.as_bytes(), "application/senml+json").unwrap_err(),
        DecodeError::NameTooLong(128)
    );
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(|whole| Value::Number(whole.into())),
        prop::num::f64::NORMAL.prop_map(|number| Value::from_f64(number).unwrap()),
        ".*".prop_map(|text| Value::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|octets| Value::Octets(octets.into())),
    ]
}

fn entries() -> impl Strategy<Value = Vec<(String, Option<String>, Value, i64)>> {
    let time = 1_000_000_000_000_000_i64..4_000_000_000_000_000;
    let entry =
        ("[a-zA-Z0-9][-a-zA-Z0-9:./_]{0,20}", prop::option::of("[A-Za-z%/]{1,4}"), values(), time);
    prop::collection::vec(entry, 0..20)
}

proptest! {
    #[test]
    fn json_and_cbor_say_the_same(entries in entries()) {
        let listed = || entries.iter().map(|(name, unit, value, micros)| Entry {
            name: name.into(),
            unit: unit.as_deref(),
            value,
            time: Some(Timestamp::from_micros(*micros)),
        });
        let from_json = read(&write_json(listed()), "application/senml+json").unwrap().0;
        let from_cbor = read(&write_cbor(listed()).unwrap(), "application/senml+cbor").unwrap().0;
        prop_assert_eq!(from_json.len(), entries.len());
        prop_assert_eq!(from_json, from_cbor);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 1..200), text in r#"[\[\]{}",:0-9a-z._-]{1,80}"#) {
        let _ = read(&bytes, "application/senml+cbor");
        let _ = read(&bytes, "application/senml+json");
        let _ = read(text.as_bytes(), "application/senml+json");
    }
}
