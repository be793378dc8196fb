//! The same rules against moto's server: the program in `MOTO_SERVER`, or `moto_server` on the PATH.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Moto, Rule, Target};

/// How long moto may take to listen. It is a Python program with many imports.
const START: Duration = Duration::from_secs(60);

#[tokio::test]
async fn moto_agrees_on_every_rule_it_has() {
    let Some(server) = Server::start().await else {
        say("skipped: no moto_server found");
        return;
    };
    let target = Arc::new(Target::at_endpoint(&server.endpoint));
    let mut failed = Vec::new();
    for Rule { name, moto, check } in rules() {
        if moto == Moto::Lacks {
            say(&format!("skipped, moto lacks it: {name}"));
        } else if tokio::spawn(check(Arc::clone(&target))).await.is_err() {
            failed.push(name);
        } else {
            say(&format!("moto agrees: {name}"));
        }
    }
    assert!(failed.is_empty(), "moto disagrees: {failed:?}");
}

fn rules() -> Vec<Rule> {
    let all = [
        crate::messages::rules(),
        crate::batches::rules(),
        crate::receiving::rules(),
        crate::queues::rules(),
        crate::secrets::rules(),
        crate::objects::rules(),
        crate::parameters::rules(),
        crate::metrics::rules(),
    ];
    all.into_iter().flatten().collect()
}

/// Prints past the test runner, which hides the output of a passing test.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Ends when it is dropped.
struct Server {
    process: Child,
    endpoint: String,
}

impl Server {
    async fn start() -> Option<Server> {
        let program = std::env::var("MOTO_SERVER").unwrap_or("moto_server".to_owned());
        // The port is free now. That it stays free is likely enough for a test.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Server { process, endpoint: format!("http://127.0.0.1:{port}") };
        let listening = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(START, listening).await.unwrap();
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
