//! From nothing to an accepted connection.

use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::Core;
use crate::config::Secret;
use crate::link::{ConnectError, Link};
use crate::transport::{
    self, ConnAck, Connect, Decoder, Incoming, Malformed, Outgoing, Reason, refusal,
};

/// How long the broker may take to accept the connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes that user name and password may each have: lengths are written in 16 bits, and
/// rumqttc does not check that they fit.
const LONGEST_LOGIN: usize = 65_535;

/// Why the broker and we did not come together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("it did not accept the connection within {} s; check that it speaks MQTT there{}",
        PATIENCE.as_secs(), if *.0 { "" } else { ", without TLS" })]
    TimedOut(/* TLS */ bool),
    #[error(
        "it closed the connection instead of accepting it ({0}); check that it speaks MQTT \
        there, and its log"
    )]
    Io(#[from] io::Error),
    #[error("it refuses the connection: {0}")]
    Refused(String),
    #[error("it does not answer in MQTT ({0}); check host and port in `url`")]
    Malformed(#[from] Malformed),
    #[error("it answers CONNECT with something else; check host and port in `url`")]
    NotConnAck,
    #[error("`password_file` {path} can't be read: {error}")]
    PasswordFile { path: String, error: io::Error },
    #[error("a user name or password has at most {LONGEST_LOGIN} bytes; check `password_file`")]
    LongLogin,
}

/// A link that the broker accepted, and its terms.
pub(super) struct Accepted {
    pub(super) link: Link,
    pub(super) decoder: Decoder,
    pub(super) ack: ConnAck,
}

impl Core {
    pub(super) async fn shake_hands(&self) -> Result<Accepted, HandshakeError> {
        let password = self.password().await?;
        timeout(PATIENCE, self.introduce(password.as_ref()))
            .await
            .map_err(|_| HandshakeError::TimedOut(self.config.url.tls()))?
    }

    async fn introduce(&self, password: Option<&Secret>) -> Result<Accepted, HandshakeError> {
        let config = &self.config;
        let (username, password) = (config.login(), password.map(Secret::reveal));
        if [username, password].into_iter().flatten().any(|text| text.len() > LONGEST_LOGIN) {
            return Err(HandshakeError::LongLogin);
        }
        let mut link = Link::connect(config).await?;
        let connect = Connect {
            client_id: &self.client_id,
            username,
            password,
            keep_alive_seconds: config.keep_alive_seconds.get(),
            clean_session: config.clean_session,
            session_expiry_seconds: config.session_expiry_seconds,
        };
        let transport = transport::of(config.version);
        transport.write(&Outgoing::Connect(connect), &mut link.outgoing);
        let mut decoder = Decoder::new(transport, config.max_packet_bytes.get());
        let first = loop {
            link.exchange(true).await?;
            if let Some(packet) = decoder.next(&mut link.incoming)? {
                break packet;
            }
        };
        match first {
            Incoming::ConnAck(ack) if ack.reason == Reason::SUCCESS => {
                Ok(Accepted { link, decoder, ack })
            }
            Incoming::ConnAck(ack) => {
                let words = ack.text.map(|text| format!(" (it says: {text})")).unwrap_or_default();
                let why = refusal(config.version, ack.reason);
                Err(HandshakeError::Refused(format!("{why}{words}")))
            }
            _ => Err(HandshakeError::NotConnAck),
        }
    }

    async fn password(&self) -> Result<Option<Secret>, HandshakeError> {
        let Some(path) = &self.config.password_file else {
            return Ok(self.config.password.as_ref().or(self.config.url.password()).cloned());
        };
        match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned().into())),
            Err(error) => {
                Err(HandshakeError::PasswordFile { path: path.display().to_string(), error })
            }
        }
    }
}
