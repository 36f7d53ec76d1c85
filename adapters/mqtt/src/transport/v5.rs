//! MQTT 5.

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{
    ConnAck as RumqttConnAck, Connect as RumqttConnect, ConnectProperties, Disconnect,
    DisconnectReasonCode, Filter, FixedHeader, Login, PacketType, PingReq, PubAck, PubComp, PubRec,
    PubRel, Publish, PublishProperties, SubAck, Subscribe,
};
use rumqttc::v5::mqttbytes::{self, Error};
use smol_str::SmolStr;
use thingway_sdk::Payload;

use super::frame::Frame;
use super::head::{Head, number};
use super::packet::packet_id;
use super::topics::Topics;
use super::{
    ConnAck, Connect, Delivery, Incoming, Malformed, Outgoing, PacketId, Reason, Transport,
};
use crate::config::QoS;
use crate::form::Publication;
use crate::topic::TopicFilter;

/// How many QoS 1 and 2 messages a broker may send ahead of our acknowledgements: as many as one
/// batch holds.
const RECEIVE_MAXIMUM: u16 = 4096;

pub(super) struct V5;

impl Transport for V5 {
    fn encode(
        &self,
        packet: &Outgoing<'_>,
        out: &mut BytesMut,
    ) -> Result<usize, Box<dyn std::error::Error>> {
        Ok(match *packet {
            Outgoing::Connect(ref packet) => write_connect(packet, out),
            Outgoing::Publish { publication, id, duplicate } => {
                publish(publication, id, duplicate).write(out)
            }
            Outgoing::PubAck(id) => PubAck::new(id.get(), None).write(out),
            Outgoing::PubRec(id) => PubRec::new(id.get(), None).write(out),
            Outgoing::PubRel(id) => PubRel::new(id.get(), None).write(out),
            Outgoing::PubComp(id) => PubComp::new(id.get(), None).write(out),
            Outgoing::Subscribe { id, filters, qos } => subscribe(id, filters, qos).write(out),
            Outgoing::PingReq => PingReq::write(out),
            Outgoing::Disconnect => {
                Disconnect::new(DisconnectReasonCode::NormalDisconnection).write(out)
            }
        }?)
    }

    fn decode(&self, frame: &Frame, topics: &mut Topics) -> Result<Incoming, Malformed> {
        if frame.header.is_publish() {
            return delivery(frame, topics).map(Incoming::Publish);
        }
        let (header, bytes) = (header(frame), frame.bytes.clone());
        Ok(match header.packet_type() {
            Ok(PacketType::ConnAck) => {
                Incoming::ConnAck(conn_ack(RumqttConnAck::read(header, bytes), frame)?)
            }
            Ok(PacketType::PubAck) => {
                let (id, reason) = acknowledgement(frame)?;
                Incoming::PubAck(id, reason)
            }
            Ok(PacketType::PubRec) => {
                let (id, reason) = acknowledgement(frame)?;
                Incoming::PubRec(id, reason)
            }
            Ok(PacketType::PubRel) => Incoming::PubRel(acknowledgement(frame)?.0),
            Ok(PacketType::PubComp) => Incoming::PubComp(acknowledgement(frame)?.0),
            Ok(PacketType::SubAck) => sub_ack(&SubAck::read(header, bytes)?, frame)?,
            Ok(PacketType::PingResp) => Incoming::PingResp,
            Ok(PacketType::Disconnect) => disconnect(Disconnect::read(header, bytes), frame),
            _ => return Err(Malformed::PacketType(frame.header.packet_type())),
        })
    }

    fn has_properties(&self) -> bool {
        true
    }

    fn has_no_local(&self) -> bool {
        true
    }
}

fn header(frame: &Frame) -> FixedHeader {
    let header = frame.header;
    FixedHeader::new(header.first, header.length - 1, header.remaining)
}

fn write_connect(connect: &Connect<'_>, out: &mut BytesMut) -> Result<usize, Error> {
    let expiry = if connect.clean_session { 0 } else { connect.session_expiry_seconds };
    let packet = RumqttConnect {
        keep_alive: connect.keep_alive_seconds,
        client_id: connect.client_id.to_owned(),
        clean_start: connect.clean_session,
        properties: Some(ConnectProperties {
            session_expiry_interval: Some(expiry),
            receive_maximum: Some(RECEIVE_MAXIMUM),
            ..ConnectProperties::new()
        }),
    };
    let login = |username| Login::new(username, connect.password.unwrap_or_default());
    // rumqttc writes the flags at a place that it counts from the start of the buffer.
    let mut alone = BytesMut::new();
    let written = packet.write(&None, &connect.username.map(login), &mut alone)?;
    out.extend_from_slice(&alone);
    Ok(written)
}

fn publish(publication: &Publication, id: Option<PacketId>, duplicate: bool) -> Publish {
    let content_type = publication.payload.content_type.as_ref();
    Publish {
        dup: duplicate,
        qos: rumqtt_qos(publication.qos),
        retain: publication.retain,
        topic: Bytes::copy_from_slice(publication.topic.as_str().as_bytes()),
        pkid: id.map_or(0, PacketId::get),
        payload: publication.payload.bytes.clone(),
        properties: content_type.map(|content_type| PublishProperties {
            content_type: Some(content_type.to_string()),
            ..PublishProperties::default()
        }),
    }
}

/// What we publish is a wish, no evidence of a device's state, so it shall not come back. The
/// standard forbids to ask for that in a shared subscription (MQTT 5, section 3.8.3.1).
fn subscribe(id: PacketId, filters: &[TopicFilter], qos: QoS) -> Subscribe {
    let filters = filters.iter().map(|filter| Filter {
        nolocal: !filter.is_shared(),
        ..Filter::new(filter.as_str(), rumqtt_qos(qos))
    });
    Subscribe { pkid: id.get(), filters: filters.collect(), properties: None }
}

fn rumqtt_qos(qos: QoS) -> mqttbytes::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}

fn conn_ack(read: Result<RumqttConnAck, Error>, frame: &Frame) -> Result<ConnAck, Malformed> {
    let ack = match read {
        Ok(ack) => ack,
        // A number that the standard does not know says no, too.
        Err(Error::InvalidConnectReturnCode(code)) => return Ok(ConnAck::new(false, Reason(code))),
        Err(error) => return Err(error.into()),
    };
    // rumqttc has names for reasons, but does not give their numbers away.
    let reason = frame.body().get(1).copied().map_or(Reason::SUCCESS, Reason);
    // What is left out is not limited (MQTT 5, section 3.2.2.3.3).
    let all = ConnAck {
        receive_maximum: Some(NonZeroU16::MAX),
        ..ConnAck::new(ack.session_present, reason)
    };
    let Some(terms) = ack.properties else { return Ok(all) };
    Ok(ConnAck {
        text: terms.reason_string.map(SmolStr::from),
        receive_maximum: terms.receive_max.map_or(all.receive_maximum, NonZeroU16::new),
        maximum_packet: terms.max_packet_size,
        maximum_qos: terms.max_qos.and_then(QoS::from_level).unwrap_or(QoS::ExactlyOnce),
        keep_alive: terms.server_keep_alive,
        ..all
    })
}

fn delivery(frame: &Frame, topics: &mut Topics) -> Result<Delivery, Malformed> {
    let head = Head::read(frame.header, true, &frame.bytes)?.ok_or(Malformed::Short)?;
    let bytes = frame.bytes.slice(head.payload_start..);
    if !head.is_adorned {
        return Ok(head.message(Payload { bytes, content_type: None }, topics));
    }
    // rumqttc may read beyond the end of the properties, and ends too early where there are many
    // subscription identifiers. So it does not get the payload, nor is it asked for it.
    let front = frame.bytes.slice(..head.payload_start);
    let properties = match Publish::read(header(frame), front) {
        Ok(publish) => publish.properties.unwrap_or_default(),
        Err(Error::TopicNotUtf8) => return Ok(head.not_utf8()),
        Err(error) => return Err(error.into()),
    };
    // An alias stands for a topic that was sent before; none are in use unless the client offers
    // to remember them.
    if properties.topic_alias.is_some() {
        return Err(Malformed::Alias);
    }
    let content_type = properties.content_type.map(SmolStr::from);
    Ok(head.message(Payload { bytes, content_type }, topics))
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP. Not read by rumqttc: it does not give the reason's number
/// away, and where the standard does not know the number, not even the identifier.
fn acknowledgement(frame: &Frame) -> Result<(PacketId, Reason), Malformed> {
    let (id, rest) = number(frame.body()).ok_or(Malformed::Short)?;
    // A reason that is left out is success.
    Ok((packet_id(id)?, rest.first().copied().map_or(Reason::SUCCESS, Reason)))
}

/// The reasons stand at the end, and only there with their numbers.
fn sub_ack(ack: &SubAck, frame: &Frame) -> Result<Incoming, Malformed> {
    let (_, reasons) = frame.body().split_at(frame.body().len() - ack.return_codes.len());
    Ok(Incoming::SubAck(packet_id(ack.pkid)?, reasons.iter().copied().map(Reason).collect()))
}

/// The connection ends, whatever else there is to read. rumqttc fails on a reason without
/// properties, though they may be left out (MQTT 5, section 3.14.2.2.1).
fn disconnect(read: Result<Disconnect, Error>, frame: &Frame) -> Incoming {
    let reason = frame.body().first().copied().map_or(Reason::SUCCESS, Reason);
    let text = read.ok().and_then(|packet| packet.properties?.reason_string);
    Incoming::Disconnect(reason, text.map(SmolStr::from))
}
