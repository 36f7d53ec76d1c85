//! Programs of other makers, from the registries of npm and of Python: clients and checkers that the gateway has to
//! get along with.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node-wot")
}

/// Installs the packages as the lock file says, unless they are there; one test at a time.
async fn installed() -> PathBuf {
    let folder = folder();
    let done = folder.join("node_modules/.package-lock.json");
    let lock = File::create(std::env::temp_dir().join("thingway-npm.lock")).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        let status = Command::new("npm").arg("ci").current_dir(&folder).status().await;
        assert!(status.expect("npm is installed").success(), "npm ci in {}", folder.display());
    }
    folder
}

/// Runs one of the scripts beside the packages and returns what it printed; fails when it does.
pub(crate) async fn npm(script: &str, args: &[&str]) -> String {
    let folder = installed().await;
    let mut command = Command::new("node");
    command.arg(folder.join(script)).args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(120), command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{script} does not end")).expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{text}\n{errors}", output.status);
    text
}

/// The Python that has what `tests/requirements.txt` names, installed unless it is there; one test
/// at a time.
async fn installed_python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (venv, wanted) = (root.join("target/venv"), root.join("tests/requirements.txt"));
    let (python, done) = (venv.join("bin/python"), venv.join("installed.txt"));
    let lock = File::create(std::env::temp_dir().join("thingway-venv.lock")).unwrap();
    lock.lock().unwrap();
    if std::fs::read(&done).ok() != std::fs::read(&wanted).ok() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().await;
        assert!(made.expect("python3 is installed").success(), "a venv in {}", venv.display());
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted);
        assert!(pip.status().await.unwrap().success(), "pip install into {}", venv.display());
        std::fs::copy(&wanted, &done).unwrap();
    }
    python
}

/// A Python script of the folder `tests`, ready to be run.
pub(crate) async fn python(script: &str, args: &[&str]) -> Command {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let mut command = Command::new(installed_python().await);
    command.arg(file).args(args).kill_on_drop(true);
    command
}

/// The JSON schema of Thing Descriptions that the W3C publishes.
pub(crate) async fn schema_of_things() -> Value {
    let file = "node_modules/wot-thing-description-types/schema/td-json-schema-validation.json";
    let text = std::fs::read_to_string(installed().await.join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}
