use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use thingway_sdk::Payload;

use super::*;
use crate::config::Version;
use crate::form::Publication;
use crate::topic::TopicFilter;

const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn decode(version: Version, bytes: &[u8]) -> Result<Incoming, Malformed> {
    let mut bytes = BytesMut::from(bytes);
    let packet = Decoder::new(version, 1000).next(&mut bytes)?;
    Ok(packet.expect("a whole packet"))
}

fn written(version: Version, write: impl FnOnce(&Encoder, &mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&Encoder::new(version), &mut out);
    out.to_vec()
}

fn publication(topic: &str, payload: &[u8], qos: QoS) -> Publication {
    let payload =
        Payload { bytes: Bytes::copy_from_slice(payload), content_type: Some("a/b".into()) };
    Publication { topic: topic.into(), payload, qos, retain: true }
}

#[test]
fn connect_is_written_as_the_standard_says() {
    let connect = Connect {
        client_id: "me",
        username: Some("u"),
        password: Some("p"),
        keep_alive_seconds: 30,
        clean_session: false,
        session_expiry_seconds: 60,
    };
    let v3 = b"\x10\x14\0\x04MQTT\x04\xc0\0\x1e\0\x02me\0\x01u\0\x01p";
    assert_eq!(written(Version::V3_1_1, |encoder, out| encoder.connect(&connect, out)), v3);
    let v5 = b"\x10\x1d\0\x04MQTT\x05\xc0\0\x1e\x08\x11\0\0\0\x3c\x21\x10\0\0\x02me\0\x01u\0\x01p";
    assert_eq!(written(Version::V5, |encoder, out| encoder.connect(&connect, out)), v5);
}

#[test]
fn subscribe_asks_version_5_not_to_echo_unless_the_subscription_is_shared() {
    let filters = ["a/+", "$share/g/b"].map(TopicFilter::from_static);
    let subscribe = |version| {
        written(version, |encoder, out| encoder.subscribe(id(1), &filters, QoS::AtLeastOnce, out))
    };
    let v3 = b"\x82\x15\0\x01\0\x03a/+\x01\0\x0a$share/g/b\x01";
    assert_eq!(subscribe(Version::V3_1_1), v3);
    let v5 = b"\x82\x16\0\x01\0\0\x03a/+\x05\0\x0a$share/g/b\x01";
    assert_eq!(subscribe(Version::V5), v5);
}

#[test]
fn a_publish_reads_as_it_was_written() {
    for version in VERSIONS {
        for (qos, number) in [(QoS::AtMostOnce, None), (QoS::ExactlyOnce, Some(id(7)))] {
            let publication = publication("a/b", b"21.5", qos);
            let bytes =
                written(version, |encoder, out| encoder.publish(&publication, number, true, out));
            let Ok(Incoming::Publish(delivery)) = decode(version, &bytes) else {
                panic!("no PUBLISH: {bytes:?}")
            };
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
fn acknowledgements_may_leave_out_what_is_success() {
    let Ok(Incoming::PubAck(number, reason)) = decode(Version::V5, b"\x40\x02\0\x07") else {
        panic!("no PUBACK")
    };
    assert_eq!((number, reason), (id(7), Reason::SUCCESS));
    let Ok(Incoming::PubRec(_, reason)) = decode(Version::V5, b"\x50\x04\0\x07\x97\0") else {
        panic!("no PUBREC")
    };
    assert!(reason.is_failure());
    assert_eq!(decode(Version::V5, b"\x40\x02\0\0").unwrap_err(), Malformed::NoPacketId);
}

#[test]
fn connack_tells_the_terms() {
    let Ok(Incoming::ConnAck(ack)) = decode(Version::V3_1_1, b"\x20\x02\x01\0") else {
        panic!("no CONNACK")
    };
    assert!(ack.session_present && ack.receive_maximum.is_none());
    let bytes = b"\x20\x12\0\0\x0f\x21\0\x14\x24\x01\x27\0\0\x08\0\x13\0\x0a\x2a\x00";
    let Ok(Incoming::ConnAck(ack)) = decode(Version::V5, bytes) else { panic!("no CONNACK") };
    assert_eq!(ack.receive_maximum.map(u16::from), Some(20));
    assert_eq!(ack.maximum_qos, QoS::AtLeastOnce);
    assert_eq!((ack.maximum_packet, ack.keep_alive), (Some(2048), Some(10)));
}

#[test]
fn an_oversized_message_takes_no_memory_and_the_next_packet_is_found() {
    for version in VERSIONS {
        let large = publication("camera", &[b'x'; 5000], QoS::AtLeastOnce);
        let mut bytes =
            written(version, |encoder, out| encoder.publish(&large, Some(id(7)), false, out));
        bytes.extend(b"\xd0\0");
        let mut decoder = Decoder::new(version, 1000);
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
    let mut buffer = BytesMut::from(&b"\x30\x04\0\x01a1"[..]);
    let read = buffer.as_ptr_range();
    let Ok(Some(Incoming::Publish(delivery))) = Decoder::new(Version::V3_1_1, 9).next(&mut buffer)
    else {
        panic!("no PUBLISH")
    };
    assert!(read.contains(&delivery.content.unwrap().payload.bytes.as_ptr()));
}

#[test]
fn what_no_broker_may_send_is_named() {
    for (bytes, expected) in [
        (&b"\x10\0"[..], Malformed::PacketType(1)),
        (b"\x36\x05\0\x01a\0\x01", Malformed::QoS),
        (b"\x32\x05\0\x01a\0\0", Malformed::NoPacketId),
        (b"\x30\x02\0\x05", Malformed::Short),
        (b"\x30\x05\0\x01a\x05\x01", Malformed::Short),
        (b"\x30\x08\0\x01a\x03\x23\0\x01x", Malformed::Alias),
        (b"\x30\x06\0\x01a\x02\x7e\0", Malformed::Property(0x7e)),
        (b"\xd0\xff\xff\xff\xff", Malformed::Length),
        (b"\xd0\xff\xff\xff\x7f", Malformed::TooLarge(268_435_460)),
    ] {
        assert_eq!(decode(Version::V5, bytes).unwrap_err(), expected, "{bytes:x?}");
    }
}

/// Everything that comes out of `bytes`, handed over in pieces of the given sizes.
fn decode_in_pieces(version: Version, bytes: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = Decoder::new(version, 300);
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

/// Bytes that resemble packets enough to reach every corner.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let packet = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..400), any::<bool>());
    let packet = packet.prop_map(|(first, body, honest)| {
        let mut bytes = vec![first];
        let length = if honest { body.len() } else { body.len() / 2 };
        if length > 127 {
            bytes.push(length as u8 | 0x80);
            bytes.push((length >> 7) as u8);
        } else {
            bytes.push(length as u8);
        }
        bytes.extend(body);
        bytes
    });
    prop::collection::vec(packet, 1..4).prop_map(|packets| packets.concat())
}

proptest! {
    #[test]
    fn nothing_that_comes_panics_and_the_pieces_do_not_matter(
        bytes in packets(),
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
            let bytes = written(version, |encoder, out| {
                encoder.publish(&publication, Some(id(1)), false, out);
            });
            prop_assert!(bytes.len() <= publication.packet_bytes());
            let Ok(Incoming::Publish(delivery)) = decode(version, &bytes) else {
                panic!("no PUBLISH: {bytes:?}")
            };
            let message = delivery.content.unwrap();
            prop_assert_eq!(message.address.as_str(), &topic);
            prop_assert_eq!(&message.payload.bytes[..], &payload[..]);
        }
    }
}
