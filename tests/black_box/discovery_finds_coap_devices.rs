//! `thingway discover coap` asks a whole network and lists who answers.
//!
//! The port of the question is fixed, and loopback takes multicast only when it is told to; so it
//! is asked in a network namespace of the test's own. Where the system makes none for this user,
//! the test says so and proves nothing.

use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::PATIENCE;

/// What follows is run as the root of a network in which there is nothing but loopback; all that it
/// starts ends with it.
const NAMESPACE: [&str; 5] = ["--map-root-user", "--net", "--pid", "--fork", "--kill-child"];

async fn in_a_network_of_its_own(script: &str) -> Output {
    let mut command = Command::new("unshare");
    command.args(NAMESPACE).args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_thingway")]);
    command.kill_on_drop(true);
    timeout(2 * PATIENCE, command.output()).await.expect("it ends").expect("unshare is there")
}

async fn can_be_had() -> bool {
    let made = in_a_network_of_its_own("ip link set lo multicast on && ip link set lo up").await;
    if !made.status.success() {
        let reason = String::from_utf8_lossy(&made.stderr).into_owned();
        eprintln!("skipped: no network namespace can be had here: {reason}");
    }
    made.status.success()
}

#[tokio::test]
async fn a_device_of_libcoap_answers_the_question_to_all() {
    if !can_be_had().await {
        return;
    }
    let output = in_a_network_of_its_own(
        "ip link set lo multicast on && ip link set lo up
         coap-server-notls -A 0.0.0.0 -g 224.0.1.187 -G lo >/dev/null 2>&1 &
         sleep 0.5
         \"$1\" discover coap --interface lo --json",
    )
    .await;
    assert!(output.status.success(), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let resources = json!(["/", "/time", "/async", "/example_data"]);
    assert_eq!(found, json!([{ "url": "coap://127.0.0.1:5683", "resources": resources }]));
}

#[tokio::test]
async fn nobody_and_no_interface_are_told_apart() {
    if !can_be_had().await {
        return;
    }
    let up = "ip link set lo multicast on && ip link set lo up";
    let ask =
        |interface: &str| format!("{up}; \"$1\" discover coap --interface {interface} --timeout 1");
    let nobody = in_a_network_of_its_own(&ask("lo")).await;
    assert_eq!(nobody.status.code(), Some(4), "{nobody:?}");
    let error = String::from_utf8_lossy(&nobody.stderr);
    assert!(error.contains("nobody answered on lo"), "{error}");
    let nowhere = in_a_network_of_its_own(&ask("eth9")).await;
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
    let error = String::from_utf8_lossy(&nowhere.stderr);
    assert!(error.contains("can't ask on the interface `eth9`"), "{error}");
}
