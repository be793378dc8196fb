//! The server itself: what a test sees of it, its connections, its end.

use std::io::ErrorKind::ConnectionRefused;
use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use local_aws::{Attribute, LocalAws, Operation, QueueSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::messages::text;
use crate::support::Target;

#[tokio::test]
async fn a_test_sees_messages_without_receiving_them() {
    let t = Target::local().await;
    let url = t.aws().create_queue("queue", QueueSettings::default());
    assert_eq!(url, format!("{}/000000000000/queue", t.aws().endpoint()));
    let message = t.sqs.send_message().queue_url(url).message_body("first").message_group_id("group");
    message.message_attributes("name", text("String", "value")).send().await.unwrap();
    let url = t.aws().queue_url("queue");
    t.sqs.send_message().queue_url(&url).message_body("second").send().await.unwrap();
    t.sqs.receive_message().queue_url(&url).send().await.unwrap();
    let messages = t.aws().messages("queue");
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].body, "first");
    assert_eq!(messages[0].group_id.as_deref(), Some("group"));
    assert_eq!(messages[0].receive_count, 1);
    let attribute = Attribute { data_type: "String".to_owned(), value: "value".to_owned() };
    assert_eq!(messages[0].attributes["name"], attribute);
    assert_eq!(messages[1].receive_count, 0);
}

#[tokio::test]
async fn a_test_sees_objects() {
    let t = Target::local().await;
    t.aws().create_bucket("bucket");
    let put = t.s3.put_object().bucket("bucket").key("key").metadata("kind", "test");
    put.body(ByteStream::from_static(b"hello")).send().await.unwrap();
    let objects = t.aws().objects("bucket");
    assert_eq!(objects["key"].body.as_ref(), b"hello");
    assert_eq!(objects["key"].metadata["kind"], "test");
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let aws = LocalAws::start().await.unwrap();
    aws.create_bucket("bucket");
    let mut stream = TcpStream::connect(aws.address()).await.unwrap();
    let head = "PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 100 "));
    stream.write_all(b"hello").await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(aws.objects("bucket")["key"].body.as_ref(), b"hello");
}

#[tokio::test]
async fn every_port_leads_to_the_same_services_and_closes_with_them() {
    let aws = LocalAws::start().await.unwrap();
    aws.create_bucket("bucket");
    let port = aws.listen().await.unwrap();
    assert_ne!(port, aws.address());
    let t = Target::at(&format!("http://{port}"));
    t.s3.put_object().bucket("bucket").key("key").body(ByteStream::from_static(b"hello")).send().await.unwrap();
    assert_eq!(aws.objects("bucket")["key"].body.as_ref(), b"hello");
    aws.shutdown();
    assert!(t.s3.head_bucket().bucket("bucket").send().await.is_err());
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let aws = LocalAws::start().await.unwrap();
    let mut stream = TcpStream::connect(aws.address()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 404 "));
    }
    assert_eq!(aws.calls(Operation::GetObject), 3);
}

#[tokio::test]
async fn what_is_not_served_is_refused() {
    let aws = LocalAws::start().await.unwrap();
    aws.create_bucket("bucket");
    for request in ["GET /bucket/key?acl", "GET /bucket?uploads", "POST /bucket/key?uploads", "GET /"] {
        let mut stream = TcpStream::connect(aws.address()).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 501 "), "{request}");
    }
}

#[tokio::test]
async fn a_page_in_a_browser_is_refused() {
    let aws = LocalAws::start().await.unwrap();
    for header in ["Origin: http://example.com", "Sec-Fetch-Site: cross-site"] {
        let mut stream = TcpStream::connect(aws.address()).await.unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: example.com\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n{header}\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_some(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}

#[tokio::test]
async fn the_server_stops_with_its_last_handle() {
    let aws = LocalAws::start().await.unwrap();
    let (address, clone) = (aws.address(), aws.clone());
    drop(aws);
    TcpStream::connect(address).await.unwrap();
    drop(clone);
    closed(address).await;
}

#[tokio::test]
async fn a_shutdown_ends_open_connections_too() {
    let aws = LocalAws::start().await.unwrap();
    let mut stream = TcpStream::connect(aws.address()).await.unwrap();
    stream.write_all(b"GET /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read_some(&mut stream).await;
    aws.shutdown();
    assert_eq!(read_some(&mut stream).await, "");
    closed(aws.address()).await;
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

/// Waits until nobody listens there: the server's task has to run to its end first, and a connection
/// made until then is reset.
async fn closed(address: SocketAddr) {
    let closed = async {
        while TcpStream::connect(address).await.map_err(|error| error.kind()).err() != Some(ConnectionRefused) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("it still listens");
}
