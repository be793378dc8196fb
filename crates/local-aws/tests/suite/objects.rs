//! Objects in buckets.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm::{Crc32, Crc32C, Crc64Nvme, Sha1, Sha256};
use aws_sdk_s3::types::ChecksumMode;

use crate::support::{Target, code, unique};

rules! {
    an_object_comes_back_to_the_byte_with_its_metadata: Has,
    a_key_may_have_any_character: Has,
    six_mebibytes_are_no_limit: Has,
    putting_again_replaces: Has,
    putting_only_where_there_is_none_never_replaces: Has,
    every_checksum_algorithm_is_verified_and_returned: Has,
    a_wrong_checksum_is_refused: Lacks,
    a_wrong_content_md5_is_refused: Lacks,
    an_unknown_key_is_not_found: Has,
    an_unknown_bucket_is_not_found: Has,
    a_head_has_everything_but_the_body: Has,
    a_deleted_object_is_gone: Has,
    deleting_what_is_not_there_is_no_error: Has,
    objects_are_listed_by_prefix_in_the_order_of_their_keys: Has,
    a_listing_goes_on_where_it_stopped: Has,
    metadata_has_at_most_2_048_bytes: Lacks,
    a_key_has_at_most_1_024_bytes: Lacks,
}

async fn an_object_comes_back_to_the_byte_with_its_metadata(t: &Target) {
    let bucket = t.bucket().await;
    let put = t.s3.put_object().bucket(&bucket).key("a/b.json").body(ByteStream::from_static(b"{\r\n\0}"));
    put.content_type("application/json").metadata("kind", "test").send().await.unwrap();
    let got = t.s3.get_object().bucket(&bucket).key("a/b.json").send().await.unwrap();
    assert_eq!(got.content_type(), Some("application/json"));
    assert_eq!(got.metadata().unwrap()["kind"], "test");
    assert_eq!(got.body.collect().await.unwrap().into_bytes().as_ref(), b"{\r\n\0}");
}

async fn a_key_may_have_any_character(t: &Target) {
    let bucket = t.bucket().await;
    let key = "a b/é+%25?&=#~'().json";
    put(t, &bucket, key, b"x").await;
    let listed = t.s3.list_objects_v2().bucket(&bucket).send().await.unwrap();
    assert_eq!(listed.contents()[0].key(), Some(key));
    assert_eq!(get(t, &bucket, key).await, b"x");
}

async fn six_mebibytes_are_no_limit(t: &Target) {
    let bucket = t.bucket().await;
    let body = vec![7; 7 * 1_048_576];
    put(t, &bucket, "key", &body).await;
    assert!(get(t, &bucket, "key").await == body);
}

async fn putting_again_replaces(t: &Target) {
    let bucket = t.bucket().await;
    put(t, &bucket, "key", b"first").await;
    put(t, &bucket, "key", b"second").await;
    assert_eq!(get(t, &bucket, "key").await, b"second");
}

async fn putting_only_where_there_is_none_never_replaces(t: &Target) {
    let bucket = t.bucket().await;
    let put = |body| {
        let request = t.s3.put_object().bucket(&bucket).key("key").if_none_match("*");
        request.body(ByteStream::from_static(body)).send()
    };
    assert_eq!(code(put(b"first").await), "none");
    let refused = put(b"second").await;
    let status = refused.as_ref().err().and_then(|error| error.raw_response()).map(|raw| raw.status().as_u16());
    assert_eq!(status, Some(412));
    assert_eq!(code(refused), "PreconditionFailed");
    assert_eq!(get(t, &bucket, "key").await, b"first");
}

async fn every_checksum_algorithm_is_verified_and_returned(t: &Target) {
    let bucket = t.bucket().await;
    for algorithm in [Crc32, Crc32C, Crc64Nvme, Sha1, Sha256] {
        let key = algorithm.as_str().to_owned();
        let request = t.s3.put_object().bucket(&bucket).key(&key).checksum_algorithm(algorithm);
        request.body(ByteStream::from_static(b"hello")).send().await.unwrap();
        let request = t.s3.get_object().bucket(&bucket).key(&key).checksum_mode(ChecksumMode::Enabled);
        let got = request.send().await.unwrap();
        // Reading to the end makes the client verify what came back.
        assert_eq!(got.body.collect().await.unwrap().into_bytes().as_ref(), b"hello", "{key}");
    }
}

async fn a_wrong_checksum_is_refused(t: &Target) {
    let bucket = t.bucket().await;
    let request = t.s3.put_object().bucket(&bucket).key("key").body(ByteStream::from_static(b"hello"));
    let request = request.checksum_algorithm(Crc32).checksum_crc32("AAAAAA==");
    assert_eq!(code(request.send().await), "BadDigest");
    let missing = t.s3.get_object().bucket(&bucket).key("key").send().await;
    assert_eq!(code(missing), "NoSuchKey");
}

async fn a_wrong_content_md5_is_refused(t: &Target) {
    let bucket = t.bucket().await;
    let put = |md5| {
        let request = t.s3.put_object().bucket(&bucket).key("key").content_md5(md5);
        request.body(ByteStream::from_static(b"hello")).send()
    };
    assert_eq!(code(put("XUFAKrxLKna5cZ2REBfFkg==").await), "none");
    assert_eq!(code(put("AAAAAAAAAAAAAAAAAAAAAA==").await), "BadDigest");
    assert_eq!(code(put("no digest").await), "InvalidDigest");
}

async fn an_unknown_key_is_not_found(t: &Target) {
    let bucket = t.bucket().await;
    let got = t.s3.get_object().bucket(&bucket).key("key").send().await;
    assert_eq!(code(got), "NoSuchKey");
    let head = t.s3.head_object().bucket(&bucket).key("key").send().await;
    assert!(head.is_err_and(|error| error.as_service_error().unwrap().is_not_found()));
}

async fn an_unknown_bucket_is_not_found(t: &Target) {
    let bucket = unique();
    let request = t.s3.put_object().bucket(&bucket).key("key").body(ByteStream::from_static(b"x"));
    assert_eq!(code(request.send().await), "NoSuchBucket");
    assert_eq!(code(t.s3.get_object().bucket(&bucket).key("key").send().await), "NoSuchBucket");
    assert_eq!(code(t.s3.list_objects_v2().bucket(&bucket).send().await), "NoSuchBucket");
    assert!(t.s3.head_bucket().bucket(&bucket).send().await.is_err());
}

async fn a_head_has_everything_but_the_body(t: &Target) {
    let bucket = t.bucket().await;
    t.s3.head_bucket().bucket(&bucket).send().await.unwrap();
    put(t, &bucket, "key", b"hello").await;
    let head = t.s3.head_object().bucket(&bucket).key("key").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert!(head.last_modified().is_some());
}

async fn a_deleted_object_is_gone(t: &Target) {
    let bucket = t.bucket().await;
    put(t, &bucket, "key", b"x").await;
    t.s3.delete_object().bucket(&bucket).key("key").send().await.unwrap();
    assert_eq!(code(t.s3.get_object().bucket(&bucket).key("key").send().await), "NoSuchKey");
}

async fn deleting_what_is_not_there_is_no_error(t: &Target) {
    let bucket = t.bucket().await;
    t.s3.delete_object().bucket(&bucket).key("key").send().await.unwrap();
}

async fn objects_are_listed_by_prefix_in_the_order_of_their_keys(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["b/2", "a/1", "b/1", "c"] {
        put(t, &bucket, key, b"hello").await;
    }
    let listed = t.s3.list_objects_v2().bucket(&bucket).prefix("b/").send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["b/1", "b/2"]);
    assert_eq!(listed.key_count(), Some(2));
    assert_eq!(listed.is_truncated(), Some(false));
    assert_eq!(listed.contents()[0].size(), Some(5));
}

async fn a_listing_goes_on_where_it_stopped(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["a", "b", "c"] {
        put(t, &bucket, key, b"x").await;
    }
    let first = t.s3.list_objects_v2().bucket(&bucket).max_keys(2).send().await.unwrap();
    assert_eq!(first.contents().len(), 2);
    let request = t.s3.list_objects_v2().bucket(&bucket).max_keys(2);
    let rest = request.set_continuation_token(first.next_continuation_token).send().await.unwrap();
    assert_eq!(rest.contents()[0].key(), Some("c"));
    assert_eq!(rest.is_truncated(), Some(false));
}

async fn metadata_has_at_most_2_048_bytes(t: &Target) {
    let bucket = t.bucket().await;
    let put = |size| {
        let request = t.s3.put_object().bucket(&bucket).key("key").metadata("name", "x".repeat(size));
        request.body(ByteStream::from_static(b"x")).send()
    };
    assert_eq!(code(put(2_044).await), "none");
    assert_eq!(code(put(2_045).await), "MetadataTooLarge");
}

async fn a_key_has_at_most_1_024_bytes(t: &Target) {
    let bucket = t.bucket().await;
    let put = |size| {
        let request = t.s3.put_object().bucket(&bucket).key("k".repeat(size));
        request.body(ByteStream::from_static(b"x")).send()
    };
    assert_eq!(code(put(1_024).await), "none");
    assert_eq!(code(put(1_025).await), "KeyTooLongError");
}

async fn put(t: &Target, bucket: &str, key: &str, body: &[u8]) {
    let body = ByteStream::from(body.to_vec());
    t.s3.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

async fn get(t: &Target, bucket: &str, key: &str) -> Vec<u8> {
    let got = t.s3.get_object().bucket(bucket).key(key).send().await.unwrap();
    got.body.collect().await.unwrap().into_bytes().to_vec()
}
