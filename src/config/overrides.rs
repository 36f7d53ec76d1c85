//! What the command line says, put over everything else.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::tree::{Node, Place, Step, Value};

/// What the command line says of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--http`
    pub http: Option<SocketAddr>,
    /// `--mqtt`, each time
    pub mqtt: Vec<String>,
    /// `--mqtt-password-file`
    pub mqtt_password_file: Option<PathBuf>,
    /// `--mqtt-listen`
    pub mqtt_listen: Option<SocketAddr>,
    /// `--coap`, each time
    pub coap: Vec<String>,
    /// `--coap-identity`
    pub coap_identity: Option<String>,
    /// `--coap-key-file`
    pub coap_key_file: Option<PathBuf>,
    /// `--coap-listen`
    pub coap_listen: Option<SocketAddr>,
    /// `--allow-anonymous`
    pub allow_anonymous: bool,
}

impl Overrides {
    pub(super) fn apply(&self, tree: &mut Node) {
        if let Some(address) = self.http {
            put(
                tree,
                &["http".into(), "listen".into()],
                "--http",
                Value::Text(address.to_string()),
            );
        }
        for url in &self.mqtt {
            self.add_bridge(tree, url);
        }
        if let Some(address) = self.mqtt_listen {
            listen_at(tree, address);
        }
        if let Some(address) = self.coap_listen {
            let path = ["coap".into(), "server".into(), "listen".into()];
            put(tree, &path, "--coap-listen", Value::Text(address.to_string()));
        }
        if tree.items("adapters").is_empty() && cfg!(feature = "embedded-broker") {
            tree.push("adapters", adapter(&Place::Default, "mqtt-broker", "broker"));
        }
        // Behind the broker: to name devices alone does not turn it off.
        for url in &self.coap {
            self.add_device(tree, url);
        }
        if self.allow_anonymous {
            allow_anonymous(tree);
        }
    }

    fn add_bridge(&self, tree: &mut Node, url: &str) {
        let place = Place::Argument("--mqtt");
        let mut entry = adapter(&place, "mqtt", &free_name(tree, "mqtt"));
        put(&mut entry, &["url".into()], "--mqtt", Value::Text(url.to_owned()));
        if let Some(file) = &self.mqtt_password_file {
            let file = Value::Text(file.to_string_lossy().into_owned());
            put(&mut entry, &["password_file".into()], "--mqtt-password-file", file);
        }
        tree.push("adapters", entry);
    }

    fn add_device(&self, tree: &mut Node, url: &str) {
        let place = Place::Argument("--coap");
        let mut entry = adapter(&place, "coap", &free_name(tree, "coap"));
        put(&mut entry, &["url".into()], "--coap", Value::Text(url.to_owned()));
        // The key is for those that speak DTLS; the others would refuse it.
        if url.starts_with("coaps:") {
            if let Some(identity) = &self.coap_identity {
                let identity = Value::Text(identity.clone());
                put(&mut entry, &["identity".into()], "--coap-identity", identity);
            }
            if let Some(file) = &self.coap_key_file {
                let file = Value::Text(file.to_string_lossy().into_owned());
                put(&mut entry, &["key_file".into()], "--coap-key-file", file);
            }
        }
        tree.push("adapters", entry);
    }
}

/// Moves the embedded broker that is configured, or adds one.
fn listen_at(tree: &mut Node, address: SocketAddr) {
    let place = Place::Argument("--mqtt-listen");
    let index = of_protocols(tree, &["mqtt-broker"]).first().copied().unwrap_or_else(|| {
        let name = free_name(tree, "broker");
        tree.push("adapters", adapter(&place, "mqtt-broker", &name));
        tree.items("adapters").len().saturating_sub(1)
    });
    let path = ["adapters".into(), index.into(), "listen".into()];
    put(tree, &path, "--mqtt-listen", Value::Text(address.to_string()));
}

fn allow_anonymous(tree: &mut Node) {
    let (option, key) = ("--allow-anonymous", "allow_anonymous");
    put(tree, &["http".into(), key.into()], option, Value::Boolean(true));
    for index in of_protocols(tree, &["mqtt-broker", "coap-server"]) {
        let path = ["adapters".into(), index.into(), key.into()];
        put(tree, &path, option, Value::Boolean(true));
    }
    let server = ["coap".into(), "server".into()];
    if tree.at(&server).is_some() {
        put(tree, &[&server[..], &[key.into()]].concat(), option, Value::Boolean(true));
    }
}

fn of_protocols(tree: &Node, protocols: &[&str]) -> Vec<usize> {
    let items = tree.items("adapters").iter().enumerate();
    let is_meant = |item: &Node| {
        let protocol = item.child(&"protocol".into()).and_then(Node::text);
        protocol.is_some_and(|protocol| protocols.contains(&protocol))
    };
    items.filter(|(_, item)| is_meant(item)).map(|(index, _)| index).collect()
}

/// `mqtt`, `mqtt-2`, `mqtt-3`: the first that no adapter has.
fn free_name(tree: &Node, base: &str) -> String {
    let taken: Vec<&str> = tree
        .items("adapters")
        .iter()
        .filter_map(|item| item.child(&"name".into()).and_then(Node::text))
        .collect();
    (1..)
        .map(|n| if n == 1 { base.to_owned() } else { format!("{base}-{n}") })
        .find(|name| !taken.contains(&name.as_str()))
        .unwrap_or_default()
}

fn adapter(place: &Place, protocol: &str, name: &str) -> Node {
    let mut entry = Node::empty_table(place.clone());
    for (key, text) in [("protocol", protocol), ("name", name)] {
        entry.put(&[key.into()], Node::new(place.clone(), Value::Text(text.to_owned())));
    }
    entry
}

/// A section that is no table is reported when it is read, so nothing is lost here.
fn put(tree: &mut Node, path: &[Step], option: &'static str, value: Value) {
    tree.put(path, Node::new(Place::Argument(option), value));
}
