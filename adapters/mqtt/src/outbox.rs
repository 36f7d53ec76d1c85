//! What the gateway wants published and the broker has not yet taken. It outlives connections and
//! knows neither sockets nor clocks.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use crate::config::QoS;
use crate::form::Publication;
use crate::transport::{PacketId, Reason};

/// What became of a publication.
pub(crate) type Outcome = Result<(), Refusal>;

/// Why the broker did not take a publication, or never will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Broker(Reason),
    /// Larger than the broker said that it takes, in bytes.
    TooLarge(u32),
    /// A higher QoS than the broker said that it takes.
    QoS(QoS),
}

/// The terms on which the broker takes publications, known since it accepted the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How many QoS 1 and 2 publications may be under way at one time.
    pub(crate) in_flight: u16,
    pub(crate) maximum_packet: Option<u32>,
    pub(crate) maximum_qos: QoS,
}

/// A packet to write.
#[derive(Debug)]
pub(crate) enum Packet {
    Publish { publication: Publication, id: Option<PacketId>, duplicate: bool },
    PubRel(PacketId),
}

pub(crate) struct Outbox {
    capacity: usize,
    waiting: VecDeque<Entry>,
    /// QoS 1 and 2, sent and not yet acknowledged.
    in_flight: BTreeMap<PacketId, InFlight>,
    /// QoS 0, handed to the connection, perhaps not yet written.
    unwritten: Vec<Entry>,
    last_id: u16,
    /// Counts what was sent, so that it can be sent again in the same order.
    sent: u64,
}

struct Entry {
    publication: Publication,
    /// Closed when its command has reached its deadline: nobody wants it sent any more.
    reply: oneshot::Sender<Outcome>,
}

struct InFlight {
    entry: Entry,
    order: u64,
    /// The broker has the message (PUBREC came) and waits to be told to go on.
    released: bool,
}

impl Entry {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn end(self, outcome: Outcome) {
        // The command may have reached its deadline meanwhile; then its answer is of no use.
        self.reply.send(outcome).ok();
    }
}

impl Outbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            unwritten: Vec::new(),
            last_id: 0,
            sent: 0,
        }
    }

    /// Takes a publication in; `None` when too many wait already. Dropping the receiver gives the
    /// publication up.
    pub(crate) fn put(&mut self, publication: Publication) -> Option<oneshot::Receiver<Outcome>> {
        if self.len() >= self.capacity {
            self.waiting.retain(|entry| !entry.is_abandoned());
        }
        if self.len() >= self.capacity {
            return None;
        }
        let (reply, outcome) = oneshot::channel();
        self.waiting.push_back(Entry { publication, reply });
        Some(outcome)
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.len() + self.unwritten.len()
    }

    /// Whether the broker has taken everything that is still wanted.
    pub(crate) fn is_settled(&self) -> bool {
        let in_flight = self.in_flight.values().map(|sent| &sent.entry);
        self.unwritten.iter().chain(&self.waiting).chain(in_flight).all(Entry::is_abandoned)
    }

    /// A new connection: what must be written before anything else (MQTT 5, section 4.4). Where
    /// the broker has lost the session, everything that it had not acknowledged starts anew.
    pub(crate) fn resume(&mut self, session_present: bool) -> Vec<Packet> {
        for entry in self.unwritten.drain(..).rev() {
            self.waiting.push_front(entry);
        }
        let mut sent: Vec<_> = std::mem::take(&mut self.in_flight).into_iter().collect();
        sent.sort_unstable_by_key(|(_, sent)| sent.order);
        if session_present {
            return sent.into_iter().filter_map(|(id, sent)| self.send_again(id, sent)).collect();
        }
        for (_, sent) in sent.into_iter().rev() {
            self.waiting.push_front(sent.entry);
        }
        Vec::new()
    }

    fn send_again(&mut self, id: PacketId, mut sent: InFlight) -> Option<Packet> {
        let publication = sent.entry.publication.clone();
        if sent.entry.is_abandoned() {
            if publication.qos == QoS::AtLeastOnce {
                return None;
            }
            // The broker may hold the first half of the exchange: it has to be ended before the
            // identifier may serve again, but without sending the message once more.
            sent.released = true;
        }
        let released = sent.released;
        self.in_flight.insert(id, sent);
        Some(if released {
            Packet::PubRel(id)
        } else {
            Packet::Publish { publication, id: Some(id), duplicate: true }
        })
    }

    /// The next packet to write, as far as the broker's terms allow one.
    pub(crate) fn next(&mut self, terms: &Terms) -> Option<Packet> {
        loop {
            let entry = self.waiting.pop_front()?;
            if entry.is_abandoned() {
                continue;
            }
            if let Some(refusal) = terms.refuse(&entry.publication) {
                entry.end(Err(refusal));
                continue;
            }
            if entry.publication.qos == QoS::AtMostOnce {
                let publication = entry.publication.clone();
                self.unwritten.push(entry);
                return Some(Packet::Publish { publication, id: None, duplicate: false });
            }
            if self.in_flight.len() >= usize::from(terms.in_flight) {
                self.waiting.push_front(entry);
                return None;
            }
            return Some(self.send(entry));
        }
    }

    fn send(&mut self, entry: Entry) -> Packet {
        let id = self.free_id();
        let publication = entry.publication.clone();
        self.sent += 1;
        self.in_flight.insert(id, InFlight { entry, order: self.sent, released: false });
        Packet::Publish { publication, id: Some(id), duplicate: false }
    }

    /// An identifier that no exchange uses. There always is one, because the terms let in far
    /// fewer exchanges than there are identifiers.
    pub(crate) fn free_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if let Some(id) = PacketId::new(self.last_id)
                && !self.in_flight.contains_key(&id)
            {
                return id;
            }
        }
    }

    /// Everything that was handed out is written: QoS 0 needs no more.
    pub(crate) fn written(&mut self) {
        for entry in self.unwritten.drain(..) {
            entry.end(Ok(()));
        }
    }

    /// PUBACK. An identifier that is not in flight is of an exchange that was given up.
    pub(crate) fn acknowledged(&mut self, id: PacketId, reason: Reason) {
        if let Some(sent) = self.in_flight.remove(&id) {
            sent.entry.end(outcome(reason));
        }
    }

    /// PUBREC; whether PUBREL must follow.
    pub(crate) fn received(&mut self, id: PacketId, reason: Reason) -> bool {
        if reason.is_failure() {
            self.acknowledged(id, reason);
            return false;
        }
        if let Some(sent) = self.in_flight.get_mut(&id) {
            sent.released = true;
        }
        // Also for an exchange that is not known here: the broker waits for it.
        true
    }

    /// PUBCOMP. Its reason can only say that the broker no longer knew the identifier: it has
    /// ended the exchange before.
    pub(crate) fn completed(&mut self, id: PacketId) {
        self.acknowledged(id, Reason::SUCCESS);
    }
}

fn outcome(reason: Reason) -> Outcome {
    if reason.is_failure() { Err(Refusal::Broker(reason)) } else { Ok(()) }
}

impl Terms {
    fn refuse(&self, publication: &Publication) -> Option<Refusal> {
        if let Some(maximum) = self.maximum_packet
            && publication.packet_bytes() > maximum as usize
        {
            return Some(Refusal::TooLarge(maximum));
        }
        (publication.qos > self.maximum_qos).then_some(Refusal::QoS(self.maximum_qos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms =
        Terms { in_flight: 2, maximum_packet: Some(1000), maximum_qos: QoS::ExactlyOnce };

    fn publication(topic: &str, qos: QoS) -> Publication {
        Publication { topic: topic.into(), payload: Default::default(), qos, retain: false }
    }

    fn put(outbox: &mut Outbox, topic: &str, qos: QoS) -> oneshot::Receiver<Outcome> {
        outbox.put(publication(topic, qos)).unwrap()
    }

    /// What is written next, in short: topic, id, `dup`.
    fn next(outbox: &mut Outbox) -> String {
        outbox.next(&TERMS).as_ref().map_or_else(String::new, short)
    }

    fn short(packet: &Packet) -> String {
        match packet {
            Packet::PubRel(id) => format!("rel {id}"),
            Packet::Publish { publication, id, duplicate } => {
                let id = id.map_or(0, PacketId::get);
                format!("{} {id}{}", publication.topic, if *duplicate { " dup" } else { "" })
            }
        }
    }

    fn id(id: u16) -> PacketId {
        PacketId::new(id).unwrap()
    }

    #[test]
    fn no_more_are_in_flight_than_the_broker_takes() {
        let mut outbox = Outbox::new(10);
        let mut a = put(&mut outbox, "a", QoS::AtLeastOnce);
        let _b = put(&mut outbox, "b", QoS::AtLeastOnce);
        let _c = put(&mut outbox, "c", QoS::AtLeastOnce);
        assert_eq!([next(&mut outbox), next(&mut outbox), next(&mut outbox)], ["a 1", "b 2", ""]);
        outbox.acknowledged(id(1), Reason::SUCCESS);
        assert_eq!(a.try_recv(), Ok(Ok(())));
        assert_eq!(next(&mut outbox), "c 3");
    }

    #[test]
    fn a_kept_session_gets_the_same_packets_again_and_a_lost_one_new_ones() {
        for (session_present, expected) in [(true, ["a 1 dup", "rel 2"]), (false, ["a 3", "b 4"])] {
            let mut outbox = Outbox::new(10);
            let _a = put(&mut outbox, "a", QoS::AtLeastOnce);
            let _b = put(&mut outbox, "b", QoS::ExactlyOnce);
            let _c = put(&mut outbox, "c", QoS::AtLeastOnce);
            assert_eq!([next(&mut outbox), next(&mut outbox)], ["a 1", "b 2"]);
            assert!(outbox.received(id(2), Reason::SUCCESS));
            let mut written: Vec<_> = outbox.resume(session_present).iter().map(short).collect();
            while let Some(packet) = outbox.next(&TERMS) {
                written.push(short(&packet));
            }
            assert_eq!(written, expected, "session present: {session_present}");
        }
    }

    #[test]
    fn a_command_past_its_deadline_is_not_sent() {
        let mut outbox = Outbox::new(10);
        drop(put(&mut outbox, "waiting", QoS::AtLeastOnce));
        assert_eq!(next(&mut outbox), "");

        let sent = put(&mut outbox, "a", QoS::AtLeastOnce);
        let halfway = put(&mut outbox, "b", QoS::ExactlyOnce);
        assert_eq!([next(&mut outbox), next(&mut outbox)], ["a 1", "b 2"]);
        drop((sent, halfway));
        let again: Vec<_> = outbox.resume(true).iter().map(short).collect();
        assert_eq!(again, ["rel 2"], "the exchange is ended, the message not sent again");
        assert!(outbox.is_settled());
        assert!(outbox.resume(false).is_empty());
        assert_eq!(next(&mut outbox), "", "and a new session owes it nothing");
    }

    #[test]
    fn it_is_full_with_what_is_wanted_only() {
        let mut outbox = Outbox::new(1);
        let kept = put(&mut outbox, "a", QoS::AtLeastOnce);
        assert!(outbox.put(publication("b", QoS::AtLeastOnce)).is_none());
        drop(kept);
        assert!(outbox.put(publication("b", QoS::AtLeastOnce)).is_some());
    }

    #[test]
    fn qos_0_is_done_when_written_and_sent_again_when_it_was_not() {
        let mut outbox = Outbox::new(10);
        let mut a = put(&mut outbox, "a", QoS::AtMostOnce);
        assert_eq!(next(&mut outbox), "a 0");
        assert!(a.try_recv().is_err());
        assert!(outbox.resume(true).is_empty());
        assert_eq!(next(&mut outbox), "a 0");
        outbox.written();
        assert_eq!(a.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn refusals_reach_the_command() {
        let mut outbox = Outbox::new(10);
        let mut a = put(&mut outbox, "a", QoS::AtLeastOnce);
        let mut b = put(&mut outbox, "b", QoS::ExactlyOnce);
        assert_eq!([next(&mut outbox), next(&mut outbox)], ["a 1", "b 2"]);
        let forbidden = Reason(0x87);
        outbox.acknowledged(id(1), forbidden);
        assert!(!outbox.received(id(2), forbidden), "a refused exchange is over");
        assert_eq!(a.try_recv(), Ok(Err(Refusal::Broker(forbidden))));
        assert_eq!(b.try_recv(), Ok(Err(Refusal::Broker(forbidden))));

        let mut large = publication("large", QoS::AtLeastOnce);
        large.payload.bytes = vec![0; 1000].into();
        let mut large = outbox.put(large).unwrap();
        assert_eq!(next(&mut outbox), "");
        assert_eq!(large.try_recv(), Ok(Err(Refusal::TooLarge(1000))));
    }

    #[test]
    fn acknowledgements_of_nothing_are_harmless() {
        let mut outbox = Outbox::new(10);
        outbox.acknowledged(id(7), Reason::SUCCESS);
        outbox.completed(id(7));
        assert!(outbox.received(id(7), Reason::SUCCESS), "the broker waits for PUBREL");
    }
}
