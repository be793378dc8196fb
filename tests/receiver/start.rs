//! The start: what it prepares before the first callback, and what it does not wait for.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use flinks_webhooks::delivery::StoredAs;
use local_aws::{Calls, Fault, Operation};
use tokio::{
    io::{AsyncReadExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::Fixture;

const BODY: &[u8] = br#"{"ResponseType":"KYC"}"#;
/// Far more than a start or a callback takes here, and less than the SDK waits for a response.
const SOON: Duration = Duration::from_secs(2);

async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// A receiver that reaches SQS at an address of its own, as on AWS.
async fn with_sqs_at(sqs: SocketAddr) -> Fixture {
    Fixture::with_variables(&[("AWS_ENDPOINT_URL_SQS", &format!("http://{sqs}"))]).await
}

/// Forwards each connection to the local AWS, and counts them.
fn pass_on(listener: TcpListener, fixture: &Fixture) -> Arc<AtomicUsize> {
    let (accepted, behind) = (Arc::new(AtomicUsize::new(0)), fixture.aws().address());
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((mut outside, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut inside = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    accepted
}

/// Accepts the next connection, and reads the headers of its first request.
async fn opened(listener: &TcpListener) -> (TcpStream, String) {
    let opened = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        (connection, String::from_utf8(head).unwrap().to_lowercase())
    };
    timeout(SOON, opened).await.unwrap()
}

#[tokio::test]
async fn the_first_callback_finds_an_open_connection_to_sqs() {
    let sqs = listener().await;
    let fixture = with_sqs_at(sqs.local_addr().unwrap()).await;
    let connections = pass_on(sqs, &fixture);
    fixture.aws().fault(Operation::GetSecretValue, Calls::All, Fault::Delay(Duration::from_millis(100)));
    fixture.receiver.prepare().await;
    assert_eq!(connections.load(Ordering::Relaxed), 1, "opened while the keys were fetched");
    assert_eq!(fixture.aws().calls(Operation::SendMessage), 0);
    assert_eq!(fixture.post_signed(BODY).await.record.stored_as, Some(StoredAs::Inline));
    assert_eq!(connections.load(Ordering::Relaxed), 1, "used by the callback");
}

#[tokio::test]
async fn opening_a_connection_sends_no_data() {
    let sqs = listener().await;
    let address = sqs.local_addr().unwrap();
    let fixture = with_sqs_at(address).await;
    fixture.receiver.prepare().await;
    assert_eq!(opened(&sqs).await.1, format!("get / http/1.1\r\nhost: {address}\r\n\r\n"));
}

#[tokio::test]
async fn an_sqs_that_hangs_delays_neither_the_start_nor_later_callbacks() {
    let sqs = listener().await;
    let fixture = with_sqs_at(sqs.local_addr().unwrap()).await;
    let started = Instant::now();
    assert!(fixture.receiver.prepare().await.keys.failures.is_empty());
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let _hanging = opened(&sqs).await;
    pass_on(sqs, &fixture);
    assert_eq!(fixture.post_signed(BODY).await.record.stored_as, Some(StoredAs::Inline));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_sqs_that_is_down_at_the_start_does_not_affect_later_callbacks() {
    // The listener is dropped, so nothing listens at this address.
    let address = listener().await.local_addr().unwrap();
    let fixture = with_sqs_at(address).await;
    assert!(fixture.receiver.prepare().await.keys.failures.is_empty());
    pass_on(TcpListener::bind(address).await.unwrap(), &fixture);
    assert_eq!(fixture.post_signed(BODY).await.record.stored_as, Some(StoredAs::Inline));
}
