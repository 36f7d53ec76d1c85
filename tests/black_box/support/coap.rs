//! CoAP clients of other makers.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// libcoap's clients, over GnuTLS and over OpenSSL.
pub(crate) const LIBCOAP: [&str; 2] = ["coap-client-gnutls", "coap-client-openssl"];

/// What a client of libcoap printed: payloads on one stream, error codes with their diagnostic
/// texts on the other.
pub(crate) struct Printed {
    pub(crate) payload: String,
    pub(crate) error: String,
}

/// Runs `coap-client ARGS URL`, with the arguments separated by spaces.
pub(crate) async fn coap_client(program: &str, args: &str, url: &str) -> Printed {
    let mut command = Command::new(program);
    command.args(args.split(' ').filter(|arg| !arg.is_empty())).arg(url);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(60), command.output()).await;
    let output = output.expect("the client ends").expect("libcoap3-bin is installed");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    Printed { payload: text(output.stdout), error: text(output.stderr) }
}

/// Reads with libcoap what must be there.
pub(crate) async fn coap_get(server: SocketAddr, args: &str, path: &str) -> String {
    let url = format!("coap://{server}{path}");
    let printed = coap_client(LIBCOAP[0], &format!("-B 20 {args}"), &url).await;
    assert_eq!(printed.error, "", "{url}");
    printed.payload
}
