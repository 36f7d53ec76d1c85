//! MQTT 3.1.1.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{
    ConnAck as RumqttConnAck, Connect as RumqttConnect, Disconnect, Login, PingReq, PubAck,
    PubComp, PubRec, PubRel, Publish, SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{self, Error, FixedHeader, PacketType, Protocol};
use thingway_sdk::Payload;

use super::frame::Frame;
use super::head::Head;
use super::packet::packet_id;
use super::topics::Topics;
use super::{
    ConnAck, Connect, Delivery, Incoming, Malformed, Outgoing, PacketId, Reason, Transport,
};
use crate::config::QoS;
use crate::form::Publication;
use crate::topic::TopicFilter;

pub(super) struct V4;

impl Transport for V4 {
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
            Outgoing::PubAck(id) => PubAck::new(id.get()).write(out),
            Outgoing::PubRec(id) => PubRec::new(id.get()).write(out),
            Outgoing::PubRel(id) => PubRel::new(id.get()).write(out),
            Outgoing::PubComp(id) => PubComp::new(id.get()).write(out),
            Outgoing::Subscribe { id, filters, qos } => subscribe(id, filters, qos).write(out),
            Outgoing::PingReq => PingReq.write(out),
            Outgoing::Disconnect => Disconnect.write(out),
        }?)
    }

    fn decode(&self, frame: &Frame, topics: &mut Topics) -> Result<Incoming, Malformed> {
        if frame.header.is_publish() {
            return delivery(frame, topics).map(Incoming::Publish);
        }
        let (header, bytes) = (header(frame), frame.bytes.clone());
        Ok(match header.packet_type() {
            Ok(PacketType::ConnAck) => {
                Incoming::ConnAck(conn_ack(RumqttConnAck::read(header, bytes))?)
            }
            Ok(PacketType::PubAck) => {
                Incoming::PubAck(packet_id(PubAck::read(header, bytes)?.pkid)?, Reason::SUCCESS)
            }
            Ok(PacketType::PubRec) => {
                Incoming::PubRec(packet_id(PubRec::read(header, bytes)?.pkid)?, Reason::SUCCESS)
            }
            Ok(PacketType::PubRel) => {
                Incoming::PubRel(packet_id(PubRel::read(header, bytes)?.pkid)?)
            }
            Ok(PacketType::PubComp) => {
                Incoming::PubComp(packet_id(PubComp::read(header, bytes)?.pkid)?)
            }
            Ok(PacketType::SubAck) => sub_ack(&SubAck::read(header, bytes)?)?,
            Ok(PacketType::PingResp) => Incoming::PingResp,
            _ => return Err(Malformed::PacketType(frame.header.packet_type())),
        })
    }

    fn has_properties(&self) -> bool {
        false
    }

    fn has_no_local(&self) -> bool {
        false
    }
}

fn header(frame: &Frame) -> FixedHeader {
    let header = frame.header;
    FixedHeader::new(header.first, header.length - 1, header.remaining)
}

fn write_connect(connect: &Connect<'_>, out: &mut BytesMut) -> Result<usize, Error> {
    let login = |username| Login::new(username, connect.password.unwrap_or_default());
    let packet = RumqttConnect {
        protocol: Protocol::V4,
        keep_alive: connect.keep_alive_seconds,
        client_id: connect.client_id.to_owned(),
        clean_session: connect.clean_session,
        last_will: None,
        login: connect.username.map(login),
    };
    // rumqttc writes the flags at a place that it counts from the start of the buffer.
    let mut alone = BytesMut::new();
    let written = packet.write(&mut alone)?;
    out.extend_from_slice(&alone);
    Ok(written)
}

fn publish(publication: &Publication, id: Option<PacketId>, duplicate: bool) -> Publish {
    Publish {
        dup: duplicate,
        qos: rumqtt_qos(publication.qos),
        retain: publication.retain,
        topic: publication.topic.as_str().to_owned(),
        pkid: id.map_or(0, PacketId::get),
        payload: publication.payload.bytes.clone(),
    }
}

fn subscribe(id: PacketId, filters: &[TopicFilter], qos: QoS) -> Subscribe {
    let qos = rumqtt_qos(qos);
    let filters =
        filters.iter().map(|filter| SubscribeFilter::new(filter.as_str().to_owned(), qos));
    Subscribe { pkid: id.get(), filters: filters.collect() }
}

fn rumqtt_qos(qos: QoS) -> mqttbytes::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}

fn conn_ack(read: Result<RumqttConnAck, Error>) -> Result<ConnAck, Malformed> {
    match read {
        Ok(ack) => Ok(ConnAck::new(ack.session_present, Reason(ack.code as u8))),
        // A number that the standard does not know says no, too.
        Err(Error::InvalidConnectReturnCode(code)) => Ok(ConnAck::new(false, Reason(code))),
        Err(error) => Err(error.into()),
    }
}

fn delivery(frame: &Frame, topics: &mut Topics) -> Result<Delivery, Malformed> {
    let head = Head::read(frame.header, false, &frame.bytes)?.ok_or(Malformed::Short)?;
    let bytes = frame.bytes.slice(head.payload_start..);
    Ok(head.message(Payload { bytes, content_type: None }, topics))
}

fn sub_ack(ack: &SubAck) -> Result<Incoming, Malformed> {
    let reason = |code: &SubscribeReasonCode| match code {
        SubscribeReasonCode::Success(qos) => Reason(*qos as u8),
        SubscribeReasonCode::Failure => Reason(0x80),
    };
    Ok(Incoming::SubAck(packet_id(ack.pkid)?, ack.return_codes.iter().map(reason).collect()))
}
