//! Who we are to the broker, and who the broker is to us.

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;
use thingway_mqtt::config::{BridgeConfig, Version};
use thingway_sdk::conformance::{Recorder, Supervised};

use crate::messages_are_accounted_for::flood;
use crate::support::{Mosquitto, VERSIONS, bridge, config, connected, free_port};

async fn with_password() -> Mosquitto {
    let directory = tempfile::tempdir().unwrap();
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(directory.path().join("passwords"))
        .args(["gateway", "open sesame"])
        .status();
    assert!(made.unwrap().success());
    Mosquitto::prepared(directory, "allow_anonymous false\npassword_file {dir}/passwords").await
}

/// Why the first attempt to connect fails.
async fn failure(config: BridgeConfig) -> String {
    let running = Supervised::start(bridge(config), &Recorder::new());
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    running.stop().await.swap_remove(0)
}

#[tokio::test]
async fn a_password_may_stand_in_the_options_in_a_file_or_in_the_url() {
    let broker = with_password().await;
    let file = broker.directory.path().join("secret");
    std::fs::write(&file, "open sesame\n").unwrap();
    for version in VERSIONS {
        let base = BridgeConfig { version, ..config(broker.port) };
        let user = Some("gateway".to_owned());
        let in_options = BridgeConfig {
            username: user.clone(),
            password: Some("open sesame".to_owned().into()),
            ..base.clone()
        };
        let in_file =
            BridgeConfig { username: user, password_file: Some(file.clone()), ..base.clone() };
        let url = format!("mqtt://gateway:open%20sesame@127.0.0.1:{}", broker.port);
        let in_url = BridgeConfig { url: url.parse().unwrap(), ..base };
        for config in [in_options, in_file, in_url] {
            let (running, _) = connected(bridge(config)).await;
            assert!(running.stop().await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated_in_the_error() {
    let broker = with_password().await;
    for version in VERSIONS {
        let config = BridgeConfig {
            version,
            username: Some("gateway".into()),
            password: Some("hunter2".to_owned().into()),
            ..config(broker.port)
        };
        assert!(!format!("{config:?}").contains("hunter2"));
        let failure = failure(config).await;
        assert!(failure.contains("password_file"), "{failure}");
        assert!(!failure.contains("hunter2"), "{failure}");
    }
    let missing = BridgeConfig {
        username: Some("gateway".into()),
        password_file: Some("/nowhere/secret".into()),
        ..config(broker.port)
    };
    let failure = failure(missing).await;
    assert!(failure.contains("/nowhere/secret"), "{failure}");
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority of this test");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { issuer: Issuer::new(params, key), pem }
}

fn write_certificate(authority: &Authority, name: &str, directory: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(directory.join("ca.pem"), &authority.pem).unwrap();
}

async fn with_tls(name: &str) -> Mosquitto {
    let directory = tempfile::tempdir().unwrap();
    write_certificate(&authority(), name, directory.path());
    let options = "allow_anonymous true\ncertfile {dir}/cert.pem\nkeyfile {dir}/key.pem";
    Mosquitto::prepared(directory, options).await
}

fn tls_config(broker: &Mosquitto, ca_file: &Path, version: Version) -> BridgeConfig {
    BridgeConfig {
        url: format!("mqtts://localhost:{}", broker.port).parse().unwrap(),
        ca_file: Some(ca_file.to_owned()),
        version,
        ..config(broker.port)
    }
}

#[tokio::test]
async fn tls_goes_by_the_given_authority() {
    let broker = with_tls("localhost").await;
    let ca_file = broker.directory.path().join("ca.pem");
    for version in VERSIONS {
        let (running, recorder) = connected(bridge(tls_config(&broker, &ca_file, version))).await;
        let ca_file = ca_file.display().to_string();
        broker
            .publish("meter", &vec![b'x'; 200_000], &["--cafile", &ca_file, "-h", "localhost"])
            .await;
        recorder.until("the message", |seen| seen.observed("meter").len() == 1).await;
        assert!(running.stop().await.is_empty());
    }
}

/// In a flood the link moves to another thread, and what is encrypted has to move with it.
#[tokio::test]
async fn tls_bears_a_flood() {
    const MESSAGES: usize = 20_000;
    let directory = tempfile::tempdir().unwrap();
    write_certificate(&authority(), "localhost", directory.path());
    let plain = free_port().await;
    let options = format!(
        "allow_anonymous true\nmax_queued_messages 0\ncertfile {{dir}}/cert.pem\n\
        keyfile {{dir}}/key.pem\nlistener {plain} 127.0.0.1"
    );
    let broker = Mosquitto::prepared(directory, &options).await;
    let ca_file = broker.directory.path().join("ca.pem");
    for version in VERSIONS {
        let (running, recorder) = connected(bridge(tls_config(&broker, &ca_file, version))).await;
        let lines: String = (0..MESSAGES).map(|number| format!("{number}\n")).collect();
        flood(plain, "0", &lines).await;
        recorder.until("all", |seen| seen.applied.len() >= MESSAGES).await;
        assert!(running.stop().await.is_empty());
    }
}

#[tokio::test]
async fn a_broker_that_is_not_who_it_should_be_is_refused() {
    let elsewhere: TempDir = tempfile::tempdir().unwrap();
    write_certificate(&authority(), "localhost", elsewhere.path());
    let broker = with_tls("localhost").await;
    let wrong_authority = tls_config(&broker, &elsewhere.path().join("ca.pem"), Version::V5);
    let failure_of = failure(wrong_authority).await;
    assert!(failure_of.contains("ca_file"), "{failure_of}");

    let misnamed = with_tls("broker.example").await;
    let ca_file = misnamed.directory.path().join("ca.pem");
    let failure_of = failure(tls_config(&misnamed, &ca_file, Version::V5)).await;
    assert!(failure_of.contains("certificate"), "{failure_of}");
}

#[tokio::test]
async fn tls_and_no_tls_do_not_hang_on_each_other() {
    let plain = Mosquitto::start().await;
    let url = format!("mqtts://localhost:{}", plain.port).parse().unwrap();
    let failure_of = failure(BridgeConfig { url, ..config(plain.port) }).await;
    assert!(failure_of.contains("TLS"), "{failure_of}");

    let encrypted = with_tls("localhost").await;
    let failure_of = failure(config(encrypted.port)).await;
    assert!(failure_of.contains("check that it speaks MQTT"), "{failure_of}");
}
