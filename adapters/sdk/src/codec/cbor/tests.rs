use proptest::prelude::*;

use super::{encode, walk};
use crate::codec::tests::Seen;
use crate::codec::{DecodeError, Limits};
use crate::model::Value;

const LIMITS: Limits = Limits { depth: 8, leaves: 20, name_bytes: 64 };

type Leaf = (String, String);

fn try_read(bytes: &[u8]) -> Result<(Vec<Leaf>, Option<String>), DecodeError> {
    let mut seen = Seen::default();
    walk(bytes, &LIMITS, &mut seen).map(|note| (seen.0, note))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
    digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
}

fn leaves(hex: &str) -> Vec<Leaf> {
    try_read(&bytes(hex)).unwrap().0
}

fn whole(hex: &str) -> String {
    let leaves = leaves(hex);
    assert_eq!((leaves.len(), leaves[0].0.as_str()), (1, ""), "{hex}");
    leaves[0].1.clone()
}

#[test]
fn the_examples_of_rfc_8949_appendix_a() {
    for (hex, json) in [
        ("00", "0"),
        ("1b000000e8d4a51000", "1000000000000"),
        ("1bffffffffffffffff", "18446744073709551615"),
        ("c249010000000000000000", "18446744073709551616"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("c349010000000000000000", "-18446744073709551617"),
        ("3903e7", "-1000"),
        ("f93c00", "1.0"),
        ("f97bff", "65504.0"),
        ("fa47c35000", "100000.0"),
        ("fb3ff199999999999a", "1.1"),
        ("f90001", "5.960464477539063e-8"),
        ("f4", "false"),
        ("f6", "null"),
        ("f7", "null"),
        ("c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\""),
        ("c11a514b67b0", "1363896240"),
        ("c48221196ab3", "273.15"),
        ("c5822003", "1.5"),
        ("4401020304", "\"AQIDBA==\""),
        ("62c3bc", "\"ü\""),
        ("8301820203820405", "[1,[2,3],[4,5]]"),
        ("a0", "{}"),
        ("5f42010243030405ff", "\"AQIDBAU=\""),
        ("7f657374726561646d696e67ff", "\"streaming\""),
        ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
        ("826161bf61626163ff", "[\"a\",{\"b\":\"c\"}]"),
        ("d9d9f700", "0"),
    ] {
        assert_eq!(whole(hex), json, "{hex}");
    }
}

#[test]
fn a_map_comes_apart_into_its_leaves() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<Leaf> {
        pairs.iter().map(|(path, value)| ((*path).into(), (*value).into())).collect()
    };
    // {"t": 21.1 (single), "p": {"x": 1, 2: h'ff'}, "l": [h'ff'], "e": {}}
    let map = "a46174fa41a8cccd6170a261780102 41ff616c8141ff6165a0";
    let expected =
        [("t", "21.1"), ("p.x", "1"), ("p.2", "\"/w==\""), ("l", "[\"_w\"]"), ("e", "{}")];
    assert_eq!(leaves(map), pairs(&expected));
    assert_eq!(leaves("d9d9f7bf616101ff"), pairs(&[("a", "1")]));
    assert_eq!(leaves("a2616101616102"), pairs(&[("a", "1"), ("a", "2")]));
}

#[test]
fn what_json_cannot_say_becomes_null_and_is_noted() {
    for (hex, what) in [
        ("a16174f97e00", "t is NaN"),
        ("a16174fa7f800000", "t is inf"),
        ("a16174fbfff0000000000000", "t is -inf"),
        ("a16174f8ff", "t is the simple value 255"),
    ] {
        let (seen, note) = try_read(&bytes(hex)).unwrap();
        assert_eq!(seen, [("t".to_owned(), "null".to_owned())]);
        assert!(note.unwrap().contains(what), "{what}");
    }
}

#[test]
fn what_is_no_cbor_is_refused() {
    for hex in ["18", "6261", "0000", "ff", "9f", "a161", "5f6161ff", "62c328", "1c", "bf61ff"] {
        let refused = try_read(&bytes(hex));
        assert!(matches!(refused, Err(DecodeError::NotCbor(_))), "{hex}: {refused:?}");
    }
}

#[test]
fn limits_hold() {
    assert_eq!(try_read(&[0x81; 100_000]), Err(DecodeError::TooDeep(8)));
    assert_eq!(try_read(&[0xc1; 100_000]), Err(DecodeError::TooDeep(8)));
    let nested = bytes("a16161").repeat(9);
    assert_eq!(try_read(&nested), Err(DecodeError::TooDeep(8)));
    let long = [bytes("a17841"), vec![b'k'; 65], vec![0]].concat();
    assert_eq!(try_read(&long), Err(DecodeError::NameTooLong(64)));
    let many = [vec![0xb5], bytes("616100").repeat(21)].concat();
    assert_eq!(try_read(&many), Err(DecodeError::TooManyLeaves(20)));
    // An array that says it has 2^64 - 1 entries.
    assert!(try_read(&bytes("9bffffffffffffffff")).is_err());
}

#[test]
fn values_are_written_in_the_shortest_way() {
    for (json, hex) in [
        ("0", "00"),
        ("-1000", "3903e7"),
        ("18446744073709551615", "1bffffffffffffffff"),
        ("1.5", "f93e00"),
        ("100000.0", "fa47c35000"),
        ("1.1", "fb3ff199999999999a"),
        ("\"a\"", "6161"),
        ("null", "f6"),
        ("true", "f5"),
        ("[1,{\"a\":\"b\"}]", "8201a161616162"),
    ] {
        assert_eq!(encode(&Value::from_json(json).unwrap()).unwrap(), bytes(hex), "{json}");
    }
    assert!(encode(&Value::from_json("1e400").unwrap()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let _ = try_read(&bytes);
    }

    #[test]
    fn a_number_comes_back_as_it_was(number in prop::num::f64::NORMAL, whole in any::<i64>()) {
        for value in [Value::from_f64(number).unwrap(), Value::Number(whole.into())] {
            let (seen, _) = try_read(&encode(&value).unwrap()).unwrap();
            let back = Value::from_json(&seen[0].1).unwrap();
            prop_assert!(back.means_the_same(&value), "{:?} {:?}", back, value);
        }
    }
}
