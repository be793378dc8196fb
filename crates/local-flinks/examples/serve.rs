//! Serves Flinks' API on loopback until it is killed, for a check that is not written in Rust.
//!
//! Usage: `serve PORT`. Port 0 means a free port. It prints one line of JSON: the address, the credentials, and each
//! login with its behaviour.

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use local_flinks::{API_KEY, CUSTOMER_ID, LocalFlinks, Login, SECRET_KEY};
use serde_json::{Value, json};

fn login(login: &Login) -> Value {
    let behaviour = login.behaviour().to_string();
    json!({ "id": login.id(), "username": login.username(), "lastRefresh": login.last_refresh(), "behaviour": behaviour })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), None) = (arguments.next(), arguments.next()) else { return Err("usage: serve PORT".into()) };
    let flinks = LocalFlinks::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?))).await?;
    let about = json!({
        "address": flinks.endpoint(),
        "customerId": CUSTOMER_ID,
        "secretKey": SECRET_KEY,
        "apiKey": API_KEY,
        "logins": flinks.logins().iter().map(login).collect::<Vec<_>>(),
    });
    writeln!(io::stdout(), "{about}")?;
    std::future::pending().await
}
