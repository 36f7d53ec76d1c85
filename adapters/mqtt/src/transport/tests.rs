use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use thingway_sdk::Payload;

use super::*;
use crate::config::QoS;
use crate::form::Publication;
use crate::topic::TopicFilter;

const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn decode(version: Version, bytes: &[u8]) -> Result<Incoming, Malformed> {
    let mut bytes = BytesMut::from(bytes);
    let packet = Decoder::new(of(version), 1000).next(&mut bytes)?;
    Ok(packet.expect("a whole packet"))
}

fn delivery(version: Version, bytes: &[u8]) -> Delivery {
    match decode(version, bytes) {
        Ok(Incoming::Publish(delivery)) => delivery,
        other => panic!("no PUBLISH: {other:?}"),
    }
}

fn conn_ack(version: Version, bytes: &[u8]) -> ConnAck {
    match decode(version, bytes) {
        Ok(Incoming::ConnAck(ack)) => ack,
        other => panic!("no CONNACK: {other:?}"),
    }
}

/// Behind something else, as packets are written.
fn written(version: Version, packet: &Outgoing<'_>) -> Vec<u8> {
    let mut out = BytesMut::from(&b"before"[..]);
    of(version).write(packet, &mut out);
    out.strip_prefix(b"before").unwrap().to_vec()
}

fn publication(topic: &str, payload: &[u8], qos: QoS) -> Publication {
    let payload =
        Payload { bytes: Bytes::copy_from_slice(payload), content_type: Some("a/b".into()) };
    Publication { topic: topic.into(), payload, qos, retain: true }
}

fn publish(version: Version, publication: &Publication, id: Option<PacketId>) -> Vec<u8> {
    written(version, &Outgoing::Publish { publication, id, duplicate: true })
}

#[test]
fn connect_is_written_as_the_standard_says() {
    let connect = || {
        Outgoing::Connect(Connect {
            client_id: "me",
            username: Some("u"),
            password: Some("p"),
            keep_alive_seconds: 30,
            clean_session: false,
            session_expiry_seconds: 60,
        })
    };
    let v3 = b"\x10\x14\0\x04MQTT\x04\xc0\0\x1e\0\x02me\0\x01u\0\x01p";
    assert_eq!(written(Version::V3_1_1, &connect()), v3);
    let v5 = b"\x10\x1d\0\x04MQTT\x05\xc0\0\x1e\x08\x11\0\0\0\x3c\x21\x10\0\0\x02me\0\x01u\0\x01p";
    assert_eq!(written(Version::V5, &connect()), v5);
}

#[test]
fn subscribe_asks_version_5_not_to_echo_unless_the_subscription_is_shared() {
    let filters = ["a/+", "$share/g/b"].map(TopicFilter::from_static);
    let subscribe = Outgoing::Subscribe { id: id(1), filters: &filters, qos: QoS::AtLeastOnce };
    let v3 = b"\x82\x15\0\x01\0\x03a/+\x01\0\x0a$share/g/b\x01";
    assert_eq!(written(Version::V3_1_1, &subscribe), v3);
    let v5 = b"\x82\x16\0\x01\0\0\x03a/+\x05\0\x0a$share/g/b\x01";
    assert_eq!(written(Version::V5, &subscribe), v5);
}

#[test]
fn short_packets_are_the_same_in_both_versions() {
    for version in VERSIONS {
        for (packet, expected) in [
            (Outgoing::PubAck(id(7)), &b"\x40\x02\0\x07"[..]),
            (Outgoing::PubRec(id(7)), b"\x50\x02\0\x07"),
            (Outgoing::PubRel(id(7)), b"\x62\x02\0\x07"),
            (Outgoing::PubComp(id(7)), b"\x70\x02\0\x07"),
            (Outgoing::PingReq, b"\xc0\0"),
            (Outgoing::Disconnect, b"\xe0\0"),
        ] {
            assert_eq!(written(version, &packet), expected, "{packet:?}");
        }
    }
}

#[test]
fn what_can_not_be_written_leaves_nothing_behind() {
    for version in VERSIONS {
        let no_id = publish(version, &publication("a", b"", QoS::AtLeastOnce), None);
        assert!(no_id.is_empty(), "{no_id:?}");
    }
}

#[test]
fn a_publish_reads_as_it_was_written() {
    for version in VERSIONS {
        for (qos, number) in [(QoS::AtMostOnce, None), (QoS::ExactlyOnce, Some(id(7)))] {
            let bytes = publish(version, &publication("a/b", b"21.5", qos), number);
            let delivery = delivery(version, &bytes);
            assert_eq!((delivery.qos, delivery.id), (qos, number));
            assert!(delivery.duplicate && delivery.retained);
            let message = delivery.content.unwrap();
            assert_eq!(message.address.as_str(), "a/b");
            assert_eq!(&message.payload.bytes[..], b"21.5");
            let expected = (version == Version::V5).then_some("a/b");
            assert_eq!(message.payload.content_type.as_deref(), expected);
        }
    }
}

#[test]
fn acknowledgements_tell_identifier_and_reason() {
    for (version, bytes, expected) in [
        (Version::V3_1_1, &b"\x40\x02\0\x07"[..], Reason::SUCCESS),
        (Version::V5, b"\x40\x02\0\x07", Reason::SUCCESS),
        (Version::V5, b"\x50\x04\0\x07\x97\0", Reason(0x97)),
        // Without properties, and with a reason that the standard does not know.
        (Version::V5, b"\x40\x03\0\x07\x87", Reason(0x87)),
        (Version::V5, b"\x50\x03\0\x07\xee", Reason(0xee)),
    ] {
        let (Ok(Incoming::PubAck(number, reason)) | Ok(Incoming::PubRec(number, reason))) =
            decode(version, bytes)
        else {
            panic!("no acknowledgement: {bytes:x?}")
        };
        assert_eq!((number, reason), (id(7), expected), "{bytes:x?}");
    }
}

#[test]
fn subscriptions_are_granted_or_refused_one_by_one() {
    for (version, bytes, expected) in [
        (Version::V3_1_1, &b"\x90\x04\0\x07\x01\x80"[..], [Reason(1), Reason(0x80)]),
        (Version::V5, b"\x90\x05\0\x07\0\x02\x9e", [Reason(2), Reason(0x9e)]),
        (Version::V5, b"\x90\x09\0\x07\x04\x1f\0\x01x\0\x87", [Reason(0), Reason(0x87)]),
    ] {
        let Ok(Incoming::SubAck(number, reasons)) = decode(version, bytes) else {
            panic!("no SUBACK: {bytes:x?}")
        };
        assert_eq!((number, &reasons[..]), (id(7), &expected[..]), "{bytes:x?}");
    }
}

#[test]
fn connack_tells_the_terms() {
    let ack = conn_ack(Version::V3_1_1, b"\x20\x02\x01\0");
    assert_eq!(ack, ConnAck::new(true, Reason::SUCCESS));
    let ack = conn_ack(Version::V5, b"\x20\x03\0\0\0");
    assert_eq!(ack.receive_maximum.map(u16::from), Some(u16::MAX), "left out is unlimited");
    let bytes = b"\x20\x12\0\0\x0f\x21\0\x14\x24\x01\x27\0\0\x08\0\x13\0\x0a\x2a\x00";
    let ack = conn_ack(Version::V5, bytes);
    assert_eq!(ack.receive_maximum.map(u16::from), Some(20));
    assert_eq!(ack.maximum_qos, QoS::AtLeastOnce);
    assert_eq!((ack.maximum_packet, ack.keep_alive), (Some(2048), Some(10)));
    // The same term twice: one of them counts.
    let ack = conn_ack(Version::V5, b"\x20\x09\0\0\x06\x21\0\x14\x21\0\x15");
    assert_eq!(ack.receive_maximum.map(u16::from), Some(21));
}

#[test]
fn a_refusal_tells_its_number_and_the_brokers_words() {
    assert_eq!(conn_ack(Version::V3_1_1, b"\x20\x02\0\x05").reason, Reason(5));
    let ack = conn_ack(Version::V5, b"\x20\x08\0\x8c\x05\x1f\0\x02no");
    assert_eq!((ack.reason, ack.text.as_deref()), (Reason(0x8c), Some("no")));
    for (version, bytes) in
        [(Version::V3_1_1, &b"\x20\x02\0\xee"[..]), (Version::V5, b"\x20\x03\0\xee\0")]
    {
        assert_eq!(conn_ack(version, bytes).reason, Reason(0xee), "a number that is not known");
    }
}

#[test]
fn a_broker_that_takes_leave_may_say_why() {
    for (bytes, reason, words) in [
        (&b"\xe0\0"[..], Reason::SUCCESS, None),
        (b"\xe0\x01\x8e", Reason::SESSION_TAKEN_OVER, None),
        (b"\xe0\x02\x8b\0", Reason(0x8b), None),
        (b"\xe0\x07\x8b\x05\x1f\0\x02no", Reason(0x8b), Some("no")),
        (b"\xe0\x02\xee\0", Reason(0xee), None),
        (b"\xe0\x02\x8b\x05", Reason(0x8b), None),
    ] {
        let Ok(Incoming::Disconnect(found, text)) = decode(Version::V5, bytes) else {
            panic!("no DISCONNECT: {bytes:x?}")
        };
        assert_eq!((found, text.as_deref()), (reason, words), "{bytes:x?}");
    }
    assert_eq!(decode(Version::V3_1_1, b"\xe0\0").unwrap_err(), Malformed::PacketType(14));
}

#[test]
fn an_oversized_message_takes_no_memory_and_the_next_packet_is_found() {
    for version in VERSIONS {
        let large = publication("camera", &[b'x'; 5000], QoS::AtLeastOnce);
        let mut bytes = publish(version, &large, Some(id(7)));
        bytes.extend(b"\xd0\0");
        let mut decoder = Decoder::new(of(version), 1000);
        let mut buffer = BytesMut::new();
        let mut packets = Vec::new();
        for chunk in bytes.chunks(100) {
            buffer.extend_from_slice(chunk);
            while let Some(packet) = decoder.next(&mut buffer).unwrap() {
                packets.push(packet);
            }
            assert!(buffer.len() < 100, "passed over as it comes");
        }
        let [Incoming::Publish(delivery), Incoming::PingResp] = &packets[..] else {
            panic!("{packets:?}")
        };
        let unusable = delivery.content.as_ref().unwrap_err();
        assert_eq!((unusable.address.as_str(), unusable.payload_bytes), ("camera", 5000));
        assert_eq!(delivery.id, Some(id(7)));
    }
}

#[test]
fn payloads_share_the_memory_that_was_read() {
    for (version, bytes) in
        [(Version::V3_1_1, &b"\x30\x04\0\x01a1"[..]), (Version::V5, b"\x30\x05\0\x01a\x001")]
    {
        let mut buffer = BytesMut::from(bytes);
        let read = buffer.as_ptr_range();
        let Ok(Some(Incoming::Publish(delivery))) = Decoder::new(of(version), 9).next(&mut buffer)
        else {
            panic!("no PUBLISH")
        };
        let payload = delivery.content.unwrap().payload.bytes;
        assert_eq!(payload, "1");
        assert!(read.contains(&payload.as_ptr()));
    }
}

#[test]
fn a_message_that_can_not_be_used_can_be_acknowledged() {
    for (version, bytes, topic, payload_bytes) in [
        // A topic that is not UTF-8, none, and one with a wildcard.
        (Version::V3_1_1, &b"\x32\x06\0\x01\xff\0\x07x"[..], "\u{fffd}", 1),
        (Version::V5, b"\x32\x07\0\x01\xff\0\x07\0x", "\u{fffd}", 1),
        (Version::V3_1_1, b"\x32\x05\0\0\0\x07x", "", 1),
        (Version::V5, b"\x32\x06\0\0\0\x07\0x", "", 1),
        (Version::V3_1_1, b"\x32\x05\0\x01#\0\x07", "#", 0),
        // A media type and a user property that are not.
        (Version::V5, b"\x32\x0b\0\x01a\0\x07\x04\x03\0\x01\xffx", "a", 1),
        (Version::V5, b"\x32\x0e\0\x01a\0\x07\x07\x26\0\x01k\0\x01\xffx", "a", 1),
    ] {
        let delivery = delivery(version, bytes);
        assert_eq!((delivery.id, delivery.qos), (Some(id(7)), QoS::AtLeastOnce), "{bytes:x?}");
        let unusable = delivery.content.unwrap_err();
        assert_eq!((unusable.address.as_str(), unusable.payload_bytes), (topic, payload_bytes));
    }
}

#[test]
fn subscription_identifiers_do_not_leak_into_the_payload() {
    let bytes = b"\x30\x0c\0\x01a\x06\x0b\x01\x0b\x02\x0b\x03hi";
    let message = delivery(Version::V5, bytes).content.unwrap();
    assert_eq!(&message.payload.bytes[..], b"hi");
}

#[test]
fn what_no_broker_may_send_is_named() {
    let packet = |words: &str| Malformed::Packet(words.to_owned());
    for (bytes, expected) in [
        (&b"\x10\0"[..], Malformed::PacketType(1)),
        (b"\xf0\x02\0\0", Malformed::PacketType(15)),
        (b"\x36\x05\0\x01a\0\x01", Malformed::QoS),
        (b"\x32\x05\0\x01a\0\0", Malformed::NoPacketId),
        (b"\x40\x02\0\0", Malformed::NoPacketId),
        (b"\x40\x01\0", Malformed::Short),
        (b"\x30\x02\0\x05", Malformed::Short),
        (b"\x30\x05\0\x01a\x05\x01", Malformed::Short),
        (b"\x30\x08\0\x01a\x03\x23\0\x01x", Malformed::Alias),
        (b"\x30\x06\0\x01a\x02\x7e\0", packet("Invalid property type = 126")),
        // A property that is longer than all of them.
        (b"\x30\x07\0\x01a\x01\x01xy", packet("Packet is malformed")),
        (b"\x90\x04\0\x01\0\xee", packet("Invalid subscribe reason code = 238")),
        (b"\x90\x03\0\x01\0", packet("Packet is malformed")),
        (
            b"\x90\x02\0\x01",
            packet("Insufficient number of bytes to frame packet, 1 more bytes required"),
        ),
        (b"\x20\x01\0", packet("Packet is malformed")),
        (b"\xd0\xff\xff\xff\xff", Malformed::Length),
        (b"\xd0\xff\xff\xff\x7f", Malformed::TooLarge(268_435_460)),
    ] {
        assert_eq!(decode(Version::V5, bytes).unwrap_err(), expected, "{bytes:x?}");
    }
}

/// Everything that comes out of `bytes`, handed over in pieces of the given sizes.
fn decode_in_pieces(version: Version, bytes: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = Decoder::new(of(version), 300);
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    for chunk in bytes.chunks(piece) {
        buffer.extend_from_slice(chunk);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(packet)) => found.push(format!("{packet:?}")),
                Ok(None) => break,
                Err(malformed) => {
                    found.push(malformed.to_string());
                    return found;
                }
            }
        }
    }
    found
}

/// One packet with its length: of any type, but rather of one that brokers send.
fn packet(body: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let types = prop::sample::select(&[0x20_u8, 0x30, 0x40, 0x50, 0x62, 0x70, 0x90, 0xd0, 0xe0]);
    let first = prop_oneof![any::<u8>(), types.clone(), types];
    (first, 0..16_u8, body, any::<bool>()).prop_map(|(first, flags, body, honest)| {
        let mut bytes = vec![if first == 0x30 { first | flags } else { first }];
        let length = if honest { body.len() } else { body.len() / 2 };
        if length > 127 {
            bytes.push(length as u8 | 0x80);
            bytes.push((length >> 7) as u8);
        } else {
            bytes.push(length as u8);
        }
        bytes.extend(body);
        bytes
    })
}

/// Bytes that resemble packets enough to reach every corner: short strings, small numbers, and
/// properties by their identifiers.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let properties = [
        1_u8, 2, 3, 8, 9, 11, 17, 18, 19, 21, 22, 26, 28, 31, 33, 34, 35, 36, 37, 38, 39, 40, 41,
        42,
    ];
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::collection::vec(0..8_u8, 0..8),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|text| [
            &[0, text.len() as u8],
            &text[..]
        ]
        .concat()),
        prop::sample::select(properties.to_vec()).prop_map(|property| vec![property]),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_that_comes_panics_and_the_pieces_do_not_matter(
        bytes in prop::collection::vec(packet(body()), 1..4).prop_map(|packets| packets.concat()),
        piece in 1_usize..50,
        five in any::<bool>(),
    ) {
        let version = if five { Version::V5 } else { Version::V3_1_1 };
        let whole = decode_in_pieces(version, &bytes, bytes.len());
        prop_assert_eq!(decode_in_pieces(version, &bytes, piece), whole);
    }

    #[test]
    fn every_publication_survives_the_way(
        topic in "[a-z/ü]{1,40}",
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for version in VERSIONS {
            let publication = publication(&topic, &payload, QoS::AtLeastOnce);
            let bytes = publish(version, &publication, Some(id(1)));
            prop_assert!(bytes.len() <= publication.packet_bytes());
            let message = delivery(version, &bytes).content.unwrap();
            prop_assert_eq!(message.address.as_str(), &topic);
            prop_assert_eq!(&message.payload.bytes[..], &payload[..]);
        }
    }

    #[test]
    fn a_packet_that_is_cut_off_is_an_error(
        cut in 1_usize..40,
        payload in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        for version in VERSIONS {
            let bytes = publish(version, &publication("a/b", &payload, QoS::AtLeastOnce), Some(id(1)));
            let head = bytes.len() - payload.len();
            let short = head.saturating_sub(cut).max(2);
            let mut bytes = bytes[..short].to_vec();
            bytes[1] = (short - 2) as u8;
            prop_assert!(decode(version, &bytes).is_err(), "{:x?}", bytes);
        }
    }
}
