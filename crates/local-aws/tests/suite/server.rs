//! The server itself: what a test sees, its connections, and its end.

use std::io::ErrorKind::ConnectionRefused;
use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use local_aws::{Attribute, LocalAws, Operation, QueueSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
async fn every_port_serves_the_same_services_and_closes_with_them() {
    let aws = LocalAws::start().await.unwrap();
    aws.create_bucket("bucket");
    let port = aws.listen().await.unwrap();
    assert_ne!(port, aws.address());
    let t = Target::at_endpoint(&format!("http://{port}"));
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
async fn unsupported_requests_are_rejected() {
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
async fn a_request_from_a_browser_page_is_rejected() {
    let aws = LocalAws::start().await.unwrap();
    for header in ["Origin: http://example.com", "Sec-Fetch-Site: cross-site"] {
        let response = ask(&aws, &format!("Host: localhost\r\n{LIST_QUEUES}{header}\r\n")).await;
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    }
}

#[tokio::test]
async fn only_host_names_that_a_page_cannot_redirect_are_served() {
    let aws = LocalAws::start().await.unwrap();
    for (host, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: LocalHost.:4566\r\n", 200),
        ("Host: bucket.localhost:4566\r\n", 200),
        ("Host: 127.0.0.1:4566\r\n", 200),
        ("Host: [::1]:4566\r\n", 200),
        ("Host: 192.0.2.1:4566\r\n", 200),
        ("Host: [2001:db8::1]:4566\r\n", 200),
        ("Host: host.docker.internal:4566\r\n", 200),
        ("Host: page.example:4566\r\n", 403),
        ("Host: localhost.page.example\r\n", 403),
        ("Host: 127.0.0.1.page.example\r\n", 403),
        ("Host: host.docker.internal.page.example\r\n", 403),
        ("Host: page.example@localhost\r\n", 403),
        ("Host: localhost\r\nHost: page.example\r\n", 403),
        ("Host:\r\n", 403),
        ("", 403),
    ] {
        let response = ask(&aws, &format!("{host}{LIST_QUEUES}")).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {response}");
    }
    let response = ask(&aws, &format!("Host: page.example\r\n{LIST_QUEUES}")).await;
    assert!(response.contains("AccessDenied") && response.contains("Host header"), "{response}");
    assert_eq!(aws.calls(Operation::ListQueues), 8, "a rejected request does not count as a call");
}

#[tokio::test]
async fn a_page_cannot_read_an_object_by_dns_rebinding() {
    let aws = LocalAws::start().await.unwrap();
    aws.create_bucket("bucket");
    let t = Target::at_endpoint(&aws.endpoint());
    t.s3.put_object().bucket("bucket").key("key").body(ByteStream::from_static(b"payload")).send().await.unwrap();
    // A browser's request to the page's own origin reveals only the page's name.
    for path in ["/bucket/key", "/bucket?list-type=2", "http://127.0.0.1/bucket/key"] {
        let mut stream = TcpStream::connect(aws.address()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: page.example\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let response = read_some(&mut stream).await;
        assert!(response.starts_with("HTTP/1.1 403 ") && response.contains("<Code>AccessDenied</Code>"), "{response}");
        assert!(!response.contains("payload") && !response.contains("<Key>"), "{response}");
    }
}

#[tokio::test]
async fn another_host_name_can_be_allowed() {
    let aws = LocalAws::start().await.unwrap();
    assert!(aws.allow_host("My-Machine.Example"));
    for text in ["*", "http://a.example", "a.example:80", ""] {
        assert!(!aws.allow_host(text), "{text}");
    }
    for (host, status) in
        [("my-machine.example:4566", 200), ("MY-MACHINE.example.", 200), ("a.my-machine.example", 403)]
    {
        let response = ask(&aws, &format!("Host: {host}\r\n{LIST_QUEUES}")).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {response}");
    }
}

#[tokio::test]
async fn a_request_forwarded_by_a_tunnel_or_proxy_is_rejected() {
    let aws = LocalAws::start().await.unwrap();
    for header in [
        "Forwarded: for=192.0.2.1",
        "forwarded:",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Host: page.example",
        "X-FORWARDED-PROTO: https",
        "x-forwarded-anything: 1",
    ] {
        let response = ask(&aws, &format!("Host: 127.0.0.1\r\n{LIST_QUEUES}{header}\r\n")).await;
        assert!(response.starts_with("HTTP/1.1 403 "), "{header}: {response}");
    }
}

#[tokio::test]
async fn the_query_protocol_is_rejected_in_its_own_xml() {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    const SEND: &str = "Action=SendMessage&Version=2012-11-05&MessageBody=x";
    let aws = LocalAws::start().await.unwrap();
    aws.create_queue("queue", QueueSettings::default());
    for (target, headers, body) in [
        ("POST /", FORM, SEND),
        ("POST /000000000000/queue", FORM, SEND),
        ("POST /", FORM, "Version=2012-11-05&Action=ListQueues"),
        ("GET /000000000000/queue?Action=ReceiveMessage&Version=2012-11-05", "", ""),
    ] {
        let response = ask_for(&aws, target, &format!("Host: localhost\r\n{headers}"), body).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{target}: {response}");
        assert!(response.contains("content-type: text/xml\r\n"), "{response}");
        let (head, document) = response.split_once("\r\n\r\n").unwrap();
        let id = head.lines().find_map(|line| line.strip_prefix("x-amzn-requestid: ")).unwrap();
        let start = "<?xml version=\"1.0\"?><ErrorResponse><Error><Type>Sender</Type>\
                     <Code>AWS.SimpleQueueService.UnsupportedOperation</Code><Message>";
        assert!(document.starts_with(start), "{document}");
        assert!(document.contains("newer AWS SDK") && document.contains("AWS JSON"), "{document}");
        assert!(
            document.ends_with(&format!("</Message></Error><RequestId>{id}</RequestId></ErrorResponse>")),
            "{document}"
        );
    }
    assert!(aws.messages("queue").is_empty());

    let metrics = "Action=GetMetricData&Version=2010-08-01";
    let response = ask_for(&aws, "POST /", &format!("Host: localhost\r\n{FORM}"), metrics).await;
    assert!(response.contains("<Code>InvalidAction</Code>") && response.contains("RPC v2 CBOR"), "{response}");
    let unknown = "Action=GetCallerIdentity&Version=2011-06-15";
    let response = ask_for(&aws, "POST /", &format!("Host: localhost\r\n{FORM}"), unknown).await;
    assert!(response.contains("<ErrorResponse>") && response.contains("not served"), "{response}");

    // A rejected sender gets the same format.
    let response = ask_for(&aws, "POST /", &format!("Host: page.example\r\n{FORM}"), SEND).await;
    assert!(response.starts_with("HTTP/1.1 403 ") && response.contains("<Code>AccessDenied</Code>"), "{response}");
    assert!(response.contains("<ErrorResponse>"), "{response}");
}

#[tokio::test]
async fn it_serves_on_sockets_that_already_listen() {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, further) = (first.local_addr().unwrap(), second.local_addr().unwrap());
    let aws = LocalAws::with_listener(first).unwrap();
    aws.serve(second);
    aws.create_bucket("bucket");
    assert_eq!(aws.address(), address);
    for address in [address, further] {
        Target::at_endpoint(&format!("http://{address}")).s3.head_bucket().bucket("bucket").send().await.unwrap();
    }
    aws.shutdown();
    closed(address).await;
    closed(further).await;
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

/// A ListQueues request, without the end of its headers.
const LIST_QUEUES: &str = "X-Amz-Target: AmazonSQS.ListQueues\r\n";

/// Returns the response to a request with these header lines.
async fn ask(aws: &LocalAws, headers: &str) -> String {
    ask_for(aws, "POST /", headers, "{}").await
}

async fn ask_for(aws: &LocalAws, target: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(aws.address()).await.unwrap();
    let request = format!("{target} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    read_some(&mut stream).await
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

/// Waits until nothing listens there. The server's task must end first, and a connection until then is reset.
async fn closed(address: SocketAddr) {
    let closed = async {
        while TcpStream::connect(address).await.map_err(|error| error.kind()).err() != Some(ConnectionRefused) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("the server still listens");
}
